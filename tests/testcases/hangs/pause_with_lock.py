# Waits for a signal in C, with the lock.
#
# ends: TIMED_OUT
# wall: 300
# evidence: limit=wall
import ctypes

ctypes.PyDLL(None).pause()
