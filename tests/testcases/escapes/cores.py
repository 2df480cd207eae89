# Leaves the core that it is given for all the others.
#
# lanes: cpu
# refused: sched_setaffinity
import os

before = os.sched_getaffinity(0)
assert len(before) == 1, before
for pid in (0, os.getpid()):
    try:
        os.sched_setaffinity(pid, range(256))
    except PermissionError:
        continue
    raise AssertionError("it was let go")
assert os.sched_getaffinity(0) == before
