# Sets upper bits of an ioctl's number, which a filter may compare and the kernel does not look at.
#
# refused: ioctl
import ctypes
import errno

TIOCSTI, FS_IOC_SETFLAGS, FIONREAD = 0x5412, 0x40086602, 0x541B
libc = ctypes.CDLL(None, use_errno=True)
for request in (TIOCSTI, FS_IOC_SETFLAGS):
    for upper in (1 << 32, FIONREAD << 32, 0xFFFFFFFF << 32):
        assert libc.syscall(16, 0, ctypes.c_ulong(upper | request), b"\0" * 8) == -1, hex(upper | request)
        assert ctypes.get_errno() == errno.EPERM, ctypes.get_errno()
