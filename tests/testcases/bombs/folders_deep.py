# Makes each folder within the last, far deeper than a path can name, until no more can be made, and leaves
# them there. (Landlock looks at each folder above: the deeper, the slower.)
#
# lanes: cpu
# ends: SCRATCH_LIMIT TIMED_OUT
# wall: 2000
import os

folder = os.open(".", os.O_RDONLY)
while True:
    os.mkdir("deeper", dir_fd=folder)
    within = os.open("deeper", os.O_RDONLY, dir_fd=folder)
    os.close(folder)
    folder = within
