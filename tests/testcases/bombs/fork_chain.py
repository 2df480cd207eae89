# Leaves a chain of processes behind: each starts the next and ends, so that none lives long enough to be hit.
#
# subprocess: yes
# ends: SUCCEEDED
# warns.cpu: child processes outlived the task
import os
import time

if os.fork() == 0:
    while True:
        if os.fork() != 0:
            os._exit(0)
time.sleep(0.3)
