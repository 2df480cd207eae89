# Finalizes the Python that runs it.
#
# ends: CRASHED EXITED TIMED_OUT INTERPRETER_LOST PROTOCOL_ERROR
# wall: 2000
import ctypes

ctypes.pythonapi.Py_FinalizeEx()
