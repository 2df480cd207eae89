# Has Python ask for the lock once in a thousand seconds, and leaves it so.
#
# lanes: io
# ends: SUCCEEDED
import sys

sys.setswitchinterval(1000)
