# Sets the timer that keeps limits on processor time, by its number, to end the task after the next.
#
# lanes: cpu
import ctypes
import struct

libc = ctypes.CDLL(None)
for number in range(8):
    libc.syscall(223, number, 0, struct.pack("4q", 0, 0, 0, 20_000_000), None)  # timer_settime
