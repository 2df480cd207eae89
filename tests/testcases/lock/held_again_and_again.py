# Sleeps in C with the lock, and sleeps on whenever something wakes it.
#
# lanes: io
# ends: TIMED_OUT
# wall: 300
# evidence: limit=wall
import ctypes

sleep = ctypes.PyDLL(None).sleep
while True:
    sleep(3600)
