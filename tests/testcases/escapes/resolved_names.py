# Opens a file by openat2, which can be told to look at names in another way.
import ctypes
import errno
import struct

AT_FDCWD, RESOLVE_IN_ROOT = -100, 0x10
libc = ctypes.CDLL(None, use_errno=True)
how = struct.pack("QQQ", 0, 0, RESOLVE_IN_ROOT)
assert libc.syscall(437, AT_FDCWD, b"/etc/passwd", how, len(how)) == -1, "it was opened"
assert ctypes.get_errno() == errno.ENOSYS, ctypes.get_errno()
