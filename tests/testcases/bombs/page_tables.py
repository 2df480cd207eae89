# Reads one byte in every two mebibytes of a huge mapping: it has no page of its own, but tables without end.
#
# ends.cpu: MEMORY_LIMIT
# ends.io: INTERPRETER_LOST
# evidence.cpu: oom_kill
import mmap

MAP_NORESERVE = 0x4000
hole = mmap.mmap(-1, 1 << 40, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS | MAP_NORESERVE)
for at in range(0, len(hole), 2 << 20):
    hole[at]
