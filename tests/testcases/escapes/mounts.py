# Mounts the machine's files anew, makes its root writable, and takes its scratch away.
#
# refused: mount umount2
import ctypes
import errno

MS_REMOUNT, MS_BIND, MNT_DETACH = 32, 4096, 2
libc = ctypes.CDLL(None, use_errno=True)
calls = {
    "bind": lambda: libc.mount(b"/usr/lib", b"/tmp", None, MS_BIND, None),
    "remount": lambda: libc.mount(None, b"/", None, MS_REMOUNT, None),
    "proc": lambda: libc.mount(b"proc", b"/tmp", b"proc", 0, None),
    "tmpfs": lambda: libc.mount(b"tmpfs", b"/tmp", b"tmpfs", 0, None),
    "unmount": lambda: libc.umount2(b"/tmp", MNT_DETACH),
}
for name, call in calls.items():
    assert call() == -1 and ctypes.get_errno() == errno.EPERM, (name, ctypes.get_errno())
