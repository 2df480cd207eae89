# Reserves room for a file that is larger than the scratch, and is refused before anything is written.
#
# ends: RAISED
# error: Errno 28
import os
import tempfile

with tempfile.TemporaryFile() as file:
    os.posix_fallocate(file.fileno(), 0, 1 << 29)
