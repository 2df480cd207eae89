# Leaves descriptors open that are no files: of memory, events, timers, and of what is waited for.
#
# lanes: cpu
import ctypes
import os
import select
import struct
import time

event = os.eventfd(1)
memory = os.memfd_create("left behind")
os.write(memory, bytes(1 << 20))
with select.epoll() as poller:
    poller.register(event)
    os.dup(poller.fileno())
libc = ctypes.CDLL(None)
timer = libc.timerfd_create(time.CLOCK_MONOTONIC, 0)
assert libc.timerfd_settime(timer, 0, struct.pack("4q", 1, 0, 1, 0), None) == 0
