# Lets go of None more often than there are references to it. From Python 3.12 on None has as many as anybody lets go of.
#
# ends: CRASHED TIMED_OUT
# evidence: (signal=6|limit=wall)\b
# wall: 1000
import ctypes

nothing = ctypes.py_object(None)
while True:
    ctypes.pythonapi.Py_DecRef(nothing)
