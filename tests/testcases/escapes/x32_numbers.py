# Calls the kernel by the numbers of the x32 ABI, which a filter of the other numbers need not know.
#
# ends: CRASHED
# ends.io: INTERPRETER_LOST
# evidence: signal=31
import ctypes

X32, GETPID = 0x40000000, 39
ctypes.CDLL(None).syscall(X32 | GETPID)
