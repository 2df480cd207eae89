# Starts programs by vfork until no more can be started.
#
# subprocess: yes
# ends.cpu: PROCESS_LIMIT MEMORY_LIMIT TIMED_OUT
# ends.io: PROCESS_LIMIT INTERPRETER_LOST TIMED_OUT
# wall: 30000
import subprocess

children = []
while True:
    children.append(subprocess.Popen(["sleep", "3600"]))
