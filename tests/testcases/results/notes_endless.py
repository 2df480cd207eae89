# Raises an exception with notes without end.
#
# ends: TIMED_OUT
# wall: 300
# evidence: limit=wall
import itertools


class Endless(list):
    def __iter__(self):
        return itertools.repeat("and another thing")


error = ValueError("what it says")
error.__notes__ = Endless()
raise error
