# Reads a mapped file that has been cut short.
#
# ends: CRASHED
# evidence: signal=7\b
import mmap
import tempfile

with tempfile.TemporaryFile() as file:
    file.truncate(mmap.PAGESIZE)
    page = mmap.mmap(file.fileno(), mmap.PAGESIZE)
    file.truncate(0)
    page[0]
