# Has the kernel itself fill a private mapping with pages, in one system call.
#
# ends.cpu: MEMORY_LIMIT
# ends.io: INTERPRETER_LOST
# evidence.cpu: oom_kill
import mmap

mmap.mmap(-1, 1 << 29, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS | mmap.MAP_POPULATE)
