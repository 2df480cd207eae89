# Has a handle on the first process of its slot, as a task that starts processes may, and turns it to account.
#
# subprocess: yes
# refused: pidfd_getfd setns ioctl
import ctypes
import errno
import os
import signal

CLONE_NEWNS, PIDFD_GET_MNT_NAMESPACE = 0x20000, 0xFF03
libc = ctypes.CDLL(None, use_errno=True)
handle = os.pidfd_open(1)
try:
    calls = {
        "signal": (424, handle, signal.SIGKILL, None, 0),
        "copy a descriptor": (438, handle, 0, 0),
        "join its namespaces": (308, handle, CLONE_NEWNS),
        "take its namespaces": (16, handle, PIDFD_GET_MNT_NAMESPACE, 0),
    }
    for name, arguments in calls.items():
        assert libc.syscall(*arguments) == -1 and ctypes.get_errno() == errno.EPERM, (name, ctypes.get_errno())
finally:
    os.close(handle)
