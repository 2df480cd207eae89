# Leaves parts of a file in its scratch locked: for its process, and for a descriptor.
#
# lanes: cpu
import fcntl
import os
import struct

F_OFD_SETLK = 37
file = os.open("file", os.O_RDWR | os.O_CREAT)
fcntl.lockf(file, fcntl.LOCK_EX, 10, 0)
fcntl.fcntl(file, F_OFD_SETLK, struct.pack("hhqqi4x", fcntl.F_WRLCK, os.SEEK_SET, 10, 10, 0))
