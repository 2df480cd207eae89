# Gives files of the machine a second name in its scratch, where it may write.
import ctypes
import errno

AT_FDCWD, AT_SYMLINK_FOLLOW = -100, 0x400
libc = ctypes.CDLL(None, use_errno=True)
for path in (b"/usr/lib/os-release", b"/proc/self/exe"):
    linked = libc.linkat(AT_FDCWD, path, AT_FDCWD, b"second_name", AT_SYMLINK_FOLLOW)
    assert linked == -1 and ctypes.get_errno() == errno.EXDEV, (path, ctypes.get_errno())
