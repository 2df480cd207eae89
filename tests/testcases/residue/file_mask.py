# Leaves a umask by which files are closed to whoever makes them.
#
# lanes: cpu
import os

os.umask(0o777)
