# Sleeps for an hour.
#
# ends: TIMED_OUT
# wall: 300
# evidence: limit=wall
import time

time.sleep(3600)
