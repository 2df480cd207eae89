# Locks a mutex of libc's twice, off the lock: no signal ends that wait.
#
# ends: TIMED_OUT
# wall: 300
# evidence: limit=wall
import ctypes

MUTEX_BYTES = 64
libc = ctypes.CDLL(None)
mutex = ctypes.create_string_buffer(MUTEX_BYTES)
libc.pthread_mutex_lock(mutex)
libc.pthread_mutex_lock(mutex)
