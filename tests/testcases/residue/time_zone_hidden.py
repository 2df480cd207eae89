# Leaves its process in another time zone, and the environment as it was.
#
# lanes: cpu
import os
import time

os.environ["TZ"] = "LEFT-12:34"
time.tzset()
del os.environ["TZ"]
