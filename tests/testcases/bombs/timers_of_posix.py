# Asks for a timer that would signal it, on each clock.
#
# refused: timer_create
import ctypes
import errno

libc = ctypes.CDLL(None, use_errno=True)
timer = ctypes.c_void_p()
for clock in range(4):
    assert libc.timer_create(clock, None, ctypes.byref(timer)) == -1, clock
    assert ctypes.get_errno() == errno.EPERM, ctypes.get_errno()
