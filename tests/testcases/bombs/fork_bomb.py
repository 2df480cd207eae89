# Forks in every process that there is, for ever. Only the first gives up when no more can be started.
#
# subprocess: yes
# ends.cpu: PROCESS_LIMIT MEMORY_LIMIT TIMED_OUT
# ends.io: PROCESS_LIMIT INTERPRETER_LOST TIMED_OUT
import os
import signal

first = os.getpid()
while True:
    try:
        os.fork()
    except OSError:
        if os.getpid() == first:
            break
        signal.pause()
