# Sends descriptors over a socket that nobody reads, so that they are open and nobody's.
#
# ends: RAISED
# error: Errno 109
import socket

FDS_A_MESSAGE = 253
one, other = socket.socketpair()
while True:
    socket.send_fds(one, [b"x"], [other.fileno()] * FDS_A_MESSAGE)
