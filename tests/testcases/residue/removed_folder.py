# Leaves as working directory a folder that it has removed.
#
# lanes: cpu
import os

os.mkdir("removed")
os.chdir("removed")
os.rmdir("../removed")
