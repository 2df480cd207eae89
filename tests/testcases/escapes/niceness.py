# Makes itself less nice, its group and its user nicer, and its requests to the disk urgent.
#
# refused: setpriority ioprio_set
import ctypes
import errno
import os

IOPRIO_WHO_PROCESS, REAL_TIME = 1, 1 << 13
before = os.getpriority(os.PRIO_PROCESS, 0)
attempts = (
    lambda: os.nice(-5),
    lambda: os.setpriority(os.PRIO_PROCESS, 0, -20),
    lambda: os.setpriority(os.PRIO_PGRP, 0, 19),
    lambda: os.setpriority(os.PRIO_USER, 0, 19),
)
for number, attempt in enumerate(attempts):
    try:
        attempt()
    except PermissionError:
        continue
    raise AssertionError(f"attempt {number} was allowed")
assert os.getpriority(os.PRIO_PROCESS, 0) == before
libc = ctypes.CDLL(None, use_errno=True)
assert libc.syscall(251, IOPRIO_WHO_PROCESS, 0, REAL_TIME) == -1 and ctypes.get_errno() == errno.EPERM, ctypes.get_errno()
