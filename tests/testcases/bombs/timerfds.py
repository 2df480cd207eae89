# Makes timers that go off all the time until it can make no more, and leaves them running.
#
# lanes: cpu
# ends: RAISED
# error: Errno 24
# warns: open descriptors
import ctypes
import os

CLOCK_MONOTONIC = 1
every_microsecond = (ctypes.c_long * 4)(0, 1000, 0, 1000)
libc = ctypes.CDLL(None, use_errno=True)
while (timer := libc.timerfd_create(CLOCK_MONOTONIC, 0)) != -1:
    libc.timerfd_settime(timer, 0, every_microsecond, None)
raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))
