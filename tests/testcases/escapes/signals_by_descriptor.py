# Has descriptors send their signals to the first process of its slot, past what kill is refused.
#
# refused: fcntl ioctl
import fcntl
import os
import socket
import struct

F_SETOWN, F_SETSIG, F_SETOWN_EX, FIOSETOWN = 8, 10, 15, 0x8901
one, other = socket.socketpair()
with one, other:
    attempts = {
        "F_SETOWN": lambda: fcntl.fcntl(one, F_SETOWN, 1),
        "F_SETSIG": lambda: fcntl.fcntl(one, F_SETSIG, 9),
        "F_SETOWN_EX": lambda: fcntl.fcntl(one, F_SETOWN_EX, struct.pack("ii", 1, 1)),
        "FIOSETOWN": lambda: fcntl.ioctl(one, FIOSETOWN, struct.pack("i", 1)),
    }
    for name, attempt in attempts.items():
        try:
            attempt()
        except PermissionError:
            continue
        raise AssertionError(f"{name} was done")
assert os.getppid() == 1
