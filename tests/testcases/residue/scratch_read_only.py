# Leaves its scratch so that nothing can be made in it.
#
# lanes: cpu
import os

os.chmod("/tmp", 0o500)
