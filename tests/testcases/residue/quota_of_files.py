# Asks for a quota of its files, as only an interpreter is to, and leaves it to the next task.
#
# lanes: cpu
# warns: files without a name
import ctypes

libc = ctypes.CDLL(None, use_errno=True)
libc.syscall.argtypes = [ctypes.c_long] * 5
assert libc.syscall(179, 0x67696C64, 1, 0, 0) == 0, ctypes.get_errno()
