# Leaves a child that ignores whatever it can, in a session of its own.
#
# lanes: cpu
# subprocess: yes
# warns: outlived the task
import subprocess

SCRIPT = "trap '' HUP INT QUIT TERM USR1 USR2 PIPE ALRM; echo ready; while :; do sleep 600; done"
child = subprocess.Popen(["sh", "-c", SCRIPT], stdout=subprocess.PIPE, start_new_session=True)
assert child.stdout.readline() == b"ready\n"
