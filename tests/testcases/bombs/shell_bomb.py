# Runs a shell function that starts itself three times over.
#
# subprocess: yes
# ends.cpu: PROCESS_LIMIT MEMORY_LIMIT TIMED_OUT
# ends.io: PROCESS_LIMIT INTERPRETER_LOST TIMED_OUT
# wall: 30000
import subprocess

subprocess.run(["sh", "-c", "bomb() { bomb | bomb & bomb; }; bomb"])
