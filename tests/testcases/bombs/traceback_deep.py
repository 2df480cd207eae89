# Raises from tens of thousands of frames that no traceback shortens, since no two that follow each other are alike.
#
# ends: RAISED
# error: ^ValueError: deep
import sys


def one(depth):
    other(depth - 1)


def other(depth):
    if depth <= 0:
        raise ValueError("deep")
    one(depth - 1)


limit = sys.getrecursionlimit()
sys.setrecursionlimit(10**6)
try:
    one(40_000)
finally:
    sys.setrecursionlimit(limit)
