# Has Python ask for the lock once in a thousand seconds, and then keeps it.
#
# lanes: io
# ends: TIMED_OUT
# wall: 300
# evidence: limit=wall
import sys

sys.setswitchinterval(1000)
while True:
    pass
