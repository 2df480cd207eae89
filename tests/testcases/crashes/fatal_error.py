# Tells Python that it cannot go on.
#
# ends: CRASHED
# evidence: signal=6\b
import ctypes

ctypes.pythonapi.Py_FatalError(b"says a task")
