# Has a child kill it.
#
# subprocess: yes
# ends: CRASHED INTERPRETER_LOST
# evidence: signal=9\b
import os
import signal

parent = os.getpid()
if os.fork() == 0:
    os.kill(parent, signal.SIGKILL)
signal.pause()
