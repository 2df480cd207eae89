# Starts threads past Python and past gild until no more can be started, and leaves them behind.
#
# lanes: cpu
# ends: PROCESS_LIMIT SUCCEEDED
# warns: outlived the task
import ctypes

libc = ctypes.CDLL("libc.so.6")
thread = ctypes.c_ulong()
while libc.pthread_create(ctypes.byref(thread), None, libc.sleep, ctypes.c_void_p(3600)) == 0:
    pass
