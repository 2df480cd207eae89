# Makes devices of its own: the memory, the first disk, the kernel's log.
#
# refused: mknod mknodat
import ctypes
import errno
import os
import stat

AT_FDCWD = -100
libc = ctypes.CDLL(None, use_errno=True)
for kind, major, minor in ((stat.S_IFCHR, 1, 1), (stat.S_IFBLK, 8, 0), (stat.S_IFCHR, 1, 11)):
    device = os.makedev(major, minor)
    assert libc.syscall(133, b"device", kind | 0o600, device) == -1, "mknod made it"
    assert ctypes.get_errno() == errno.EPERM, ctypes.get_errno()
    assert libc.syscall(259, AT_FDCWD, b"device", kind | 0o600, device) == -1, "mknodat made it"
    assert ctypes.get_errno() == errno.EPERM, ctypes.get_errno()
assert not os.path.lexists("device")
