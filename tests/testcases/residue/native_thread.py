# Leaves a thread of C code's, made past everything that could know of it.
#
# lanes: cpu
# warns: outlived the task
import ctypes

libc = ctypes.CDLL("libc.so.6")
thread = ctypes.c_ulong()
assert libc.pthread_create(ctypes.byref(thread), None, libc.sleep, ctypes.c_void_p(600)) == 0
