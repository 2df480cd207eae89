# Maps a sparse file of the scratch that is larger than the scratch, and touches all its pages.
#
# ends.cpu: MEMORY_LIMIT
# ends.io: CRASHED SCRATCH_LIMIT INTERPRETER_LOST
# evidence.cpu: oom_kill
import mmap
import tempfile

with tempfile.TemporaryFile() as file:
    file.truncate(1 << 30)
    pages = mmap.mmap(file.fileno(), 0)
for at in range(0, len(pages), mmap.PAGESIZE):
    pages[at] = 1
