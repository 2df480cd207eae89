# Sleeps in C with the lock and with every signal blocked.
#
# ends: TIMED_OUT
# wall: 300
# evidence: limit=wall
import ctypes
import signal

signal.pthread_sigmask(signal.SIG_BLOCK, signal.valid_signals())
ctypes.PyDLL(None).sleep(3600)
