# Joins the namespaces that its files in /proc lead to.
#
# refused: setns
import ctypes
import errno
import os

libc = ctypes.CDLL(None, use_errno=True)
for name in ("user", "mnt", "pid", "net", "uts", "ipc", "cgroup", "pid_for_children"):
    namespace = os.open(f"/proc/self/ns/{name}", os.O_RDONLY)
    try:
        assert libc.setns(namespace, 0) == -1 and ctypes.get_errno() == errno.EPERM, (name, ctypes.get_errno())
    finally:
        os.close(namespace)
