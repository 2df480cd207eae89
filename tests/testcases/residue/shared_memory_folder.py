# Moves the folder of shared memory by name away, so that there are as many files as before: it is a mount, and stays.
#
# lanes: cpu
import errno
import os

try:
    os.rename(os.path.realpath("/dev/shm"), "/tmp/moved")
except OSError as error:
    assert error.errno == errno.EBUSY, error
else:
    raise AssertionError("it was moved")
