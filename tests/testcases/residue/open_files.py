# Leaves files open, of its scratch and of the machine, and folders.
#
# lanes: cpu
import os

for _ in range(100):
    os.open("/usr/lib/os-release", os.O_RDONLY)
os.open("/tmp", os.O_RDONLY | os.O_DIRECTORY)
os.write(os.open("file", os.O_RDWR | os.O_CREAT), b"left behind")
