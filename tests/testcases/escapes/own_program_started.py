# Starts the program that runs it, which lies outside its files, once more.
#
# subprocess: yes
import subprocess

try:
    subprocess.run(["/proc/self/exe"], timeout=5)
except PermissionError:
    pass
else:
    raise AssertionError("it was started")
