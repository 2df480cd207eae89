# Leaves a child that has ended and that it has not waited for.
#
# lanes: cpu
# subprocess: yes
import os
import subprocess

child = subprocess.Popen(["true"])
os.waitid(os.P_PID, child.pid, os.WEXITED | os.WNOWAIT)
