# Waits for a child that never ends.
#
# subprocess: yes
# ends: TIMED_OUT
# wall: 300
# evidence: limit=wall
import os
import signal

child = os.fork()
while child == 0:
    signal.pause()
os.waitpid(child, 0)
