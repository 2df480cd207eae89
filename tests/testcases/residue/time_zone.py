# Leaves its process in another time zone.
#
# lanes: cpu
import os
import time

os.environ["TZ"] = "LEFT-12:34"
time.tzset()
assert time.tzname[0] == "LEFT", time.tzname
