# Takes the lock under which modules are imported, and sleeps.
#
# ends: TIMED_OUT
# wall: 300
# evidence: limit=wall
import _imp
import time

_imp.acquire_lock()
time.sleep(3600)
