# Raises an exception in every other thread that runs Python.
#
# lanes: io
# ends: SUCCEEDED INTERPRETER_LOST
import ctypes
import sys
import threading

error = ctypes.py_object(KeyboardInterrupt)
for ident in sys._current_frames():
    if ident != threading.get_ident():
        ctypes.pythonapi.PyThreadState_SetAsyncExc(ctypes.c_ulong(ident), error)
