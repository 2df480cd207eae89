# Runs a shell function that starts itself three times over.
#
# subprocess: yes
# ends.cpu: PROCESS_LIMIT MEMORY_LIMIT
# ends.io: PROCESS_LIMIT INTERPRETER_LOST
# wall: 30000
import subprocess

subprocess.run(["sh", "-c", "bomb() { bomb | bomb & bomb; }; bomb"])
