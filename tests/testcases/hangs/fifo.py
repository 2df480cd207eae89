# Opens a named pipe that nobody will ever write to.
#
# ends: TIMED_OUT
# wall: 300
# evidence: limit=wall
import os
import tempfile

path = os.path.join(tempfile.mkdtemp(), "fifo")
os.mkfifo(path)
open(path, "rb")
