# Leaves a daemon: the child of a child that has ended, in a session of its own.
#
# lanes: cpu
# subprocess: yes
# warns: outlived the task
import os
import time

if os.fork() == 0:
    os.setsid()
    if os.fork() == 0:
        time.sleep(600)
    os._exit(0)
os.wait()
