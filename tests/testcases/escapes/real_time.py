# Has itself scheduled before all others, in real time and with deadlines.
#
# refused: sched_setscheduler sched_setparam sched_setattr
import ctypes
import errno
import os
import struct

SCHED_DEADLINE = 6
for policy in (os.SCHED_FIFO, os.SCHED_RR):
    try:
        os.sched_setscheduler(0, policy, os.sched_param(1))
    except PermissionError:
        continue
    raise AssertionError(f"it runs under {policy}")
libc = ctypes.CDLL(None, use_errno=True)
assert libc.syscall(142, 0, struct.pack("i", 1)) == -1 and ctypes.get_errno() == errno.EPERM, ctypes.get_errno()
deadline = struct.pack("IIQiIQQQ", 48, SCHED_DEADLINE, 0, 0, 0, 10**7, 10**8, 10**8)
assert libc.syscall(314, 0, deadline, 0) == -1 and ctypes.get_errno() == errno.EPERM, ctypes.get_errno()
assert os.sched_getscheduler(0) == os.SCHED_OTHER
