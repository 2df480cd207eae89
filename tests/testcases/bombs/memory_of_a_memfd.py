# Fills a file that lies in memory alone, outside the scratch and its bound.
#
# ends.cpu: MEMORY_LIMIT
# ends.io: INTERPRETER_LOST
# evidence.cpu: oom_kill
import os

fd = os.memfd_create("hoard")
while True:
    os.write(fd, bytes(1 << 20))
