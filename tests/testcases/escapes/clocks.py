# Sets the machine's clock, and changes how fast it goes.
#
# refused: settimeofday clock_settime adjtimex clock_adjtime
import ctypes
import errno
import struct
import time

ADJ_FREQUENCY = 2
libc = ctypes.CDLL(None, use_errno=True)
adjustment = struct.pack("Iqq", ADJ_FREQUENCY, 0, 1).ljust(208, b"\0")
try:
    time.clock_settime(time.CLOCK_REALTIME, time.time())
except PermissionError:
    pass
else:
    raise AssertionError("the clock was set")
calls = {
    "settimeofday": (164, struct.pack("qq", int(time.time()), 0), None),
    "adjtimex": (159, adjustment),
    "clock_adjtime": (305, time.CLOCK_REALTIME, adjustment),
}
for name, arguments in calls.items():
    assert libc.syscall(*arguments) == -1 and ctypes.get_errno() == errno.EPERM, (name, ctypes.get_errno())
