# Lets go of None more often than there are references to it.
#
# ends: CRASHED
# evidence: signal=6\b
import ctypes

nothing = ctypes.py_object(None)
while True:
    ctypes.pythonapi.Py_DecRef(nothing)
