# Fills pipes that nobody reads, until it can open no more.
#
# ends: RAISED
# error: Errno 24
import os

pipes = []
while True:
    reading, writing = os.pipe()
    pipes.append((open(reading, "rb"), open(writing, "wb", buffering=0)))
    os.set_blocking(writing, False)
    os.write(writing, bytes(1 << 20))
