# Starts a process in a user namespace of its own by clone3, whose flags no filter can see.
import ctypes
import errno
import signal
import struct

CLONE_NEWUSER = 0x10000000
libc = ctypes.CDLL(None, use_errno=True)
arguments = struct.pack("11Q", CLONE_NEWUSER, 0, 0, 0, signal.SIGCHLD, 0, 0, 0, 0, 0, 0)
assert libc.syscall(435, arguments, len(arguments)) == -1, "it was started"
assert ctypes.get_errno() == errno.ENOSYS, ctypes.get_errno()
