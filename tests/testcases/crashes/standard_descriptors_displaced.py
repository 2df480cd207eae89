# Opens connections that get the numbers of the standard streams, which it has closed; and closes them in its turn.
import os
import socket

displaced = set()
while not displaced:  # another may be quicker
    os.closerange(0, 3)
    pair = socket.socketpair()
    displaced = {end.fileno() for end in pair} & {0, 1, 2}
for end in pair:
    end.close()
