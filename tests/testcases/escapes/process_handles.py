# Takes a handle on the first process of its slot, to signal it and to copy its descriptors.
#
# refused: pidfd_open pidfd_send_signal pidfd_getfd
import ctypes
import errno
import signal

libc = ctypes.CDLL(None, use_errno=True)
calls = {
    "pidfd_open": (434, 1, 0),
    "pidfd_send_signal": (424, 0, signal.SIGKILL, None, 0),
    "pidfd_getfd": (438, 0, 0, 0),
}
for name, arguments in calls.items():
    assert libc.syscall(*arguments) == -1 and ctypes.get_errno() == errno.EPERM, (name, ctypes.get_errno())
