# Leaves each of its namespaces for a new one, in which it would have privileges.
#
# refused: unshare
import ctypes
import errno

CLONE_FS, CLONE_FILES, CLONE_NEWUSER = 0x200, 0x400, 0x10000000
FLAGS = {
    "time": 0x80,
    "mounts": 0x20000,
    "control groups": 0x02000000,
    "names": 0x04000000,
    "IPC": 0x08000000,
    "users": CLONE_NEWUSER,
    "processes": 0x20000000,
    "network": 0x40000000,
    "users, beside what the I/O lane allows": CLONE_NEWUSER | CLONE_FS,
    "users, with bits that the kernel does not look at": CLONE_NEWUSER | 1 << 32,
    "descriptors": CLONE_FILES,
}
libc = ctypes.CDLL(None, use_errno=True)
for name, flags in FLAGS.items():
    assert libc.syscall(272, ctypes.c_ulong(flags)) == -1 and ctypes.get_errno() == errno.EPERM, (name, ctypes.get_errno())
