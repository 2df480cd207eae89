# Leaves a lot of memory in a module that all tasks share.
#
# lanes: cpu
import math

math.left_behind = b"x" * (64 << 20)
