# Reads an iterator without end, from C to C: no bytecode runs between.
#
# ends: TIMED_OUT
# wall: 300
# evidence: limit=wall
import collections
import itertools

collections.deque(itertools.count(), maxlen=0)
