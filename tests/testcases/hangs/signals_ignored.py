# Ignores every signal that can be ignored, and sleeps.
#
# ends: TIMED_OUT
# wall: 300
# evidence: limit=wall
import ctypes
import signal
import time

SIG_IGN = ctypes.c_void_p(1)
for number in signal.valid_signals():
    ctypes.CDLL(None).signal(int(number), SIG_IGN)
time.sleep(3600)
