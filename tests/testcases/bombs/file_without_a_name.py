# Fills a file that has no name any more, and leaves it open.
#
# ends.cpu: MEMORY_LIMIT
# ends.io: SCRATCH_LIMIT
# evidence.cpu: oom_kill
# evidence.io: limit=scratch\b
import os

file = open("nameless", "wb", buffering=0)
os.unlink("nameless")
while True:
    file.write(bytes(1 << 20))
