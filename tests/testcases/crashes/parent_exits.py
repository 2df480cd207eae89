# Ends its process while a child of it runs on in the code of the task.
#
# subprocess: yes
# ends: EXITED
# evidence: exit_code=0\b
import os
import time

if os.fork() != 0:
    os._exit(0)
while True:
    time.sleep(0.001)
