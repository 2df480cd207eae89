# Starts processes until its own limit refuses one more, and goes on as if nothing had happened.
#
# lanes: cpu
# subprocess: yes
# processes: 3
# ends: PROCESS_LIMIT
# evidence: limit=processes allowed=3 
import subprocess

started = []
try:
    while len(started) < 100:
        started.append(subprocess.Popen(["sleep", "60"]))
except BlockingIOError:
    pass
assert len(started) == 3, len(started)
for process in started:
    process.kill()
    process.wait()
