# Fills the buffers of sockets that nobody reads, which are the kernel's memory.
#
# ends.cpu: MEMORY_LIMIT
# ends.io: INTERPRETER_LOST
# evidence.cpu: oom_kill
import contextlib
import socket

pairs = []
while True:
    pairs.append(socket.socketpair())
    for end in pairs[-1]:
        end.setblocking(False)
        with contextlib.suppress(BlockingIOError):
            while True:
                end.send(bytes(1 << 16))
