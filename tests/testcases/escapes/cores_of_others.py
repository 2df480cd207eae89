# Binds the first process of its slot to a core, in the lane where threads may choose theirs.
#
# lanes: io
# refused: sched_setaffinity
import os

cores = os.sched_getaffinity(0)
for pid in (1, os.getpid()):
    try:
        os.sched_setaffinity(pid, {min(cores)})
    except PermissionError:
        continue
    raise AssertionError(f"{pid} was bound")
assert os.sched_getaffinity(0) == cores
