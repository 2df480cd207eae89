# Writes zeros over the stream that it prints to, and prints.
#
# ends.cpu: CRASHED
# ends.io: CRASHED INTERPRETER_LOST
import ctypes
import sys

ctypes.memset(id(sys.stdout), 0, 64)
print("never printed")
