# Leaves a child that is stopped, and so takes notice of nothing but being killed.
#
# lanes: cpu
# subprocess: yes
# warns: outlived the task
import os
import signal
import subprocess

child = subprocess.Popen(["sleep", "600"])
os.kill(child.pid, signal.SIGSTOP)
os.waitid(os.P_PID, child.pid, os.WSTOPPED)
