# Starts daemons: each is in a session of its own, and its parent ends at once.
#
# subprocess: yes
# ends.cpu: PROCESS_LIMIT MEMORY_LIMIT TIMED_OUT
# ends.io: PROCESS_LIMIT INTERPRETER_LOST TIMED_OUT
import os
import signal

status = 0
while status == 0:
    child = os.fork()
    if child == 0:
        os.setsid()
        if os.fork() == 0:
            signal.pause()
        os._exit(0)
    _, status = os.waitpid(child, 0)
