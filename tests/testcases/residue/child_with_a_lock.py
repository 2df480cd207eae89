# Leaves a child that holds the lock of a file in its scratch.
#
# lanes: cpu
# subprocess: yes
# warns: outlived the task
import fcntl
import os
import subprocess

lock = os.open("lock", os.O_RDWR | os.O_CREAT)
fcntl.flock(lock, fcntl.LOCK_EX)
subprocess.Popen(["sleep", "600"], pass_fds=[lock])
os.close(lock)
