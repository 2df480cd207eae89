# Touches every page of shared memory without a name, which no resource limit of a process bounds.
#
# ends.cpu: MEMORY_LIMIT
# ends.io: INTERPRETER_LOST
# evidence.cpu: oom_kill
import mmap

hoard = mmap.mmap(-1, 1 << 29)
for at in range(0, len(hoard), mmap.PAGESIZE):
    hoard[at] = 1
