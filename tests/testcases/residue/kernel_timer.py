# Makes a timer of the kernel's, which would go off when another task runs.
#
# refused: timer_create
import ctypes
import errno
import time

libc = ctypes.CDLL(None, use_errno=True)
timer = ctypes.c_int()
assert libc.syscall(222, time.CLOCK_MONOTONIC, None, ctypes.byref(timer)) == -1, "it was made"
assert ctypes.get_errno() == errno.EPERM, ctypes.get_errno()
