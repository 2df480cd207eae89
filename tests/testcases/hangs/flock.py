# Waits for a file lock that it has itself, by way of another descriptor.
#
# ends: TIMED_OUT
# wall: 300
# evidence: limit=wall
import fcntl
import tempfile

with tempfile.NamedTemporaryFile() as one, open(one.name, "rb") as other:
    fcntl.flock(one, fcntl.LOCK_EX)
    fcntl.flock(other, fcntl.LOCK_EX)
