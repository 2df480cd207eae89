# Leaves little room for recursion, and long turns for threads.
#
# lanes: cpu
import sys

sys.setrecursionlimit(200)
sys.setswitchinterval(1)
