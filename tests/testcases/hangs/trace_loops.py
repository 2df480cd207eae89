# Traces its own calls with a function that never ends.
#
# ends: TIMED_OUT
# wall: 300
# evidence: limit=wall
import sys


def trace(*_):
    while True:
        pass


sys.settrace(trace)
(lambda: None)()
