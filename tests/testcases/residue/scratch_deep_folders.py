# Leaves a folder so deep in its scratch that no path is long enough for it, and stays in there.
#
# lanes: cpu
import os

for _ in range(500):
    os.mkdir("x" * 200)
    os.chdir("x" * 200)
