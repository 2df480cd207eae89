# Leaves pipes and socket pairs open, with messages in them, and one that holds its own other end.
#
# lanes: cpu
import errno
import os
import socket
import time


def send(socket_, descriptor):
    """Those that a task before it left on their way count against its user until the kernel has collected them."""
    until = time.monotonic() + 2
    while True:
        try:
            return socket.send_fds(socket_, [b"left behind"], [descriptor])
        except OSError as error:
            if error.errno != errno.ETOOMANYREFS or time.monotonic() > until:
                raise
            time.sleep(0.01)


reading, writing = os.pipe()
os.write(writing, b"left behind")
for kind in (socket.SOCK_STREAM, socket.SOCK_DGRAM, socket.SOCK_SEQPACKET):
    one, other = socket.socketpair(socket.AF_UNIX, kind)
    one.send(b"left behind")
    send(one, other.fileno())
    one.detach()
    other.detach()
