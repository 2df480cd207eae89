# Has a thread of libc's take the lock and end with it.
#
# lanes: io
# ends: TIMED_OUT
# wall: 300
# evidence: limit=wall
import ctypes
import time

thread = ctypes.c_ulong()
take = ctypes.pythonapi.PyGILState_Ensure
ctypes.CDLL("libc.so.6").pthread_create(ctypes.byref(thread), None, take, None)
time.sleep(3600)
