# Lets nobody call more than ten functions deep.
#
# lanes: io
# ends: SUCCEEDED RAISED
import sys

sys.setrecursionlimit(10)
