# Starts processes that end at once, and never asks how they ended.
#
# lanes: cpu
# subprocess: yes
# ends: PROCESS_LIMIT
# evidence: limit=processes
import os

while True:
    if os.fork() == 0:
        os._exit(0)
