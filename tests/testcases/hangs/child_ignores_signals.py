# Waits for a shell that ignores what it can, and for what that shell has started.
#
# subprocess: yes
# ends: TIMED_OUT
# wall: 300
# evidence: limit=wall
import subprocess

subprocess.run(["sh", "-c", "trap '' HUP INT TERM USR1; sleep 3600; sleep 3600"], capture_output=True)
