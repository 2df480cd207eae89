# Has Python finalize itself and leave, in the middle of a task.
#
# ends.cpu: EXITED CRASHED TIMED_OUT
# ends.io: EXITED CRASHED TIMED_OUT INTERPRETER_LOST
# wall: 2000
import ctypes

ctypes.pythonapi.Py_Exit(5)
