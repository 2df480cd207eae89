# Waits in C, with the lock, for a mutex that it has itself.
#
# lanes: io
# ends: TIMED_OUT
# wall: 300
# evidence: limit=wall
import ctypes

MUTEX_BYTES = 64
libc = ctypes.PyDLL(None)
mutex = ctypes.create_string_buffer(MUTEX_BYTES)
libc.pthread_mutex_lock(mutex)
libc.pthread_mutex_lock(mutex)
