# Recurses through C until the stack is used up, with Python's bound on it lifted.
#
# ends: CRASHED
# evidence: signal=11\b
import sys


class Deep:
    def __repr__(self):
        return repr(self)


sys.setrecursionlimit(10**9)
repr(Deep())
