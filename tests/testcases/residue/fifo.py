# Leaves a named pipe with a message in it, open at both ends.
#
# lanes: cpu
import os

os.mkfifo("fifo")
os.write(os.open("fifo", os.O_RDWR), b"left behind")
