# Lets go of the lock and goes on as if it still had it.
#
# ends.cpu: CRASHED
# ends.io: CRASHED INTERPRETER_LOST TIMED_OUT
# wall: 2000
import ctypes

ctypes.pythonapi.PyEval_SaveThread()
