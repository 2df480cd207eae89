# Ignores, for the whole process, the signal that tears tasks out of their waits.
#
# lanes: io
# ends: SUCCEEDED
import ctypes
import signal

SIG_IGN = ctypes.c_void_p(1)
for number in range(signal.SIGRTMIN, signal.SIGRTMAX):
    ctypes.CDLL(None).signal(number, SIG_IGN)
