# Queues real-time signals to itself that it has blocked, until no more can be queued, and leaves them there.
#
# ends: SUCCEEDED
import ctypes
import errno
import signal
import threading

sigqueue = ctypes.CDLL(None).pthread_sigqueue
me = ctypes.c_ulong(threading.get_ident())
signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGRTMAX])
refused = 0
while refused == 0:
    refused = sigqueue(me, int(signal.SIGRTMAX), None)
assert refused == errno.EAGAIN, refused
