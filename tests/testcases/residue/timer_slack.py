# Lets the kernel wake its thread half a second too late.
import ctypes

PR_SET_TIMERSLACK = 29
assert ctypes.CDLL(None).prctl(PR_SET_TIMERSLACK, ctypes.c_ulong(500_000_000), 0, 0, 0) == 0
