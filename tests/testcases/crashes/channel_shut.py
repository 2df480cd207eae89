# Shuts down every socket that it finds open in its process; one is the channel to its server.
#
# ends: PROTOCOL_ERROR INTERPRETER_LOST
import contextlib
import os
import socket

for descriptor in map(int, os.listdir("/proc/self/fd")):
    with contextlib.suppress(OSError), socket.socket(fileno=os.dup(descriptor)) as copy:
        copy.shutdown(socket.SHUT_RDWR)
