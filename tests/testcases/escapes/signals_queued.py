# Signals the first process of its slot by the calls that name a thread or carry a sender of their own making.
import ctypes
import errno
import signal
import struct

SI_QUEUE = -1
libc = ctypes.CDLL(None, use_errno=True)
info = struct.pack("iii116x", signal.SIGTERM, 0, SI_QUEUE)
calls = {
    "tkill": (200, 1, signal.SIGTERM),
    "tgkill": (234, 1, 1, signal.SIGTERM),
    "rt_sigqueueinfo": (129, 1, signal.SIGTERM, info),
    "rt_tgsigqueueinfo": (297, 1, 1, signal.SIGTERM, info),
}
for name, arguments in calls.items():
    assert libc.syscall(*arguments) == -1 and ctypes.get_errno() == errno.EPERM, (name, ctypes.get_errno())
