# Asks its sockets for a handle on whoever is at their other end, which is the server, and signals it.
#
# lanes: cpu
# subprocess: yes
import ctypes
import os
import signal

SOL_SOCKET, SO_PEERPIDFD = 1, 77
libc = ctypes.CDLL(None, use_errno=True)
for name in os.listdir("/proc/self/fd"):
    handle, size = ctypes.c_int(-1), ctypes.c_uint(4)
    if libc.getsockopt(int(name), SOL_SOCKET, SO_PEERPIDFD, ctypes.byref(handle), ctypes.byref(size)) != 0:
        continue
    try:
        signal.pidfd_send_signal(handle.value, 0)
    except OSError:
        continue
    finally:
        os.close(handle.value)
    raise AssertionError("the server can be signalled")
