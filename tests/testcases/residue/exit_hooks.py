# Registers functions that run when the interpreter ends, of Python's and of C's.
#
# lanes: cpu
import atexit
import ctypes
import threading

atexit.register(print, "left behind")
threading._register_atexit(print, "left behind")
assert ctypes.CDLL(None).on_exit(ctypes.CDLL(None).puts, b"left behind") == 0
