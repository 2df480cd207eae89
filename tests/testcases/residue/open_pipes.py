# Leaves pipes and socket pairs open, with messages in them, and one that holds its own other end.
#
# lanes: cpu
import os
import socket

reading, writing = os.pipe()
os.write(writing, b"left behind")
for kind in (socket.SOCK_STREAM, socket.SOCK_DGRAM, socket.SOCK_SEQPACKET):
    one, other = socket.socketpair(socket.AF_UNIX, kind)
    one.send(b"left behind")
    socket.send_fds(one, [b"left behind"], [other.fileno()])
    one.detach()
    other.detach()
