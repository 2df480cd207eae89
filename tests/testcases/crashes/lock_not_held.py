# Sets an exception while it does not have the lock.
#
# ends.cpu: CRASHED
# ends.io: CRASHED INTERPRETER_LOST TIMED_OUT
# wall: 2000
import ctypes

ctypes.CDLL(None).PyErr_SetString(ctypes.py_object(ValueError), b"without the lock")
