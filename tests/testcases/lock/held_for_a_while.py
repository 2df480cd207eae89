# Sleeps in C with the lock, for as long as a person just notices.
#
# lanes: io
# ends: SUCCEEDED
import ctypes

ctypes.PyDLL(None).usleep(200_000)
