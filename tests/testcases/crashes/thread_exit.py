# Ends the thread that runs it, from C.
#
# ends: CRASHED EXITED TIMED_OUT INTERPRETER_LOST PROTOCOL_ERROR
# wall: 1000
import ctypes

ctypes.CDLL(None).pthread_exit(None)
