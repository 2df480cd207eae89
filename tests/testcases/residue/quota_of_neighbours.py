# Asks for a quota of the files that all tasks of its interpreter share.
#
# lanes: io
# refused: quotactl
import ctypes
import errno

libc = ctypes.CDLL(None, use_errno=True)
libc.syscall.argtypes = [ctypes.c_long] * 5
assert libc.syscall(179, 0x67696C64, 1, 1, 0) == -1, "it was set"
assert ctypes.get_errno() == errno.EPERM, ctypes.get_errno()
