# Starts programs by posix_spawn until none can be started for a while, and waits for none of them.
#
# subprocess: yes
# ends.cpu: PROCESS_LIMIT MEMORY_LIMIT TIMED_OUT
# ends.io: PROCESS_LIMIT INTERPRETER_LOST TIMED_OUT
# wall: 30000
import os

refused = 0
while refused < 100:
    try:
        os.posix_spawn("/usr/bin/sleep", ["sleep", "3600"], {})
    except OSError:
        refused += 1
