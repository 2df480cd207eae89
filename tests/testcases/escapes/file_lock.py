# Locks files of the machine, which others see as well; its own it may.
#
# refused: flock
import fcntl
import os
import tempfile

for path in ("/usr/lib/os-release", "/usr/lib", "/dev/null"):
    file = os.open(path, os.O_RDONLY)
    for how in (fcntl.LOCK_SH, fcntl.LOCK_EX, fcntl.LOCK_UN):
        try:
            fcntl.flock(file, how | fcntl.LOCK_NB)
        except PermissionError:
            continue
        raise AssertionError(f"{path} is locked")
    os.close(file)

with tempfile.NamedTemporaryFile() as one, open(one.name, "rb") as other:
    fcntl.flock(one, fcntl.LOCK_EX)
    try:
        fcntl.flock(other, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        fcntl.flock(one, fcntl.LOCK_UN)
        fcntl.flock(other, fcntl.LOCK_SH)
    else:
        raise AssertionError("two have a lock that is one's")
try:
    fcntl.flock(1000, fcntl.LOCK_SH)
except OSError as error:
    assert error.errno == 9, error
