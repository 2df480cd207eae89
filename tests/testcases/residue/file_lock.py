# Leaves a file of the machine locked, which others can see as well.
#
# lanes: cpu
import fcntl
import os

file = os.open("/usr/lib/os-release", os.O_RDONLY)
fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
