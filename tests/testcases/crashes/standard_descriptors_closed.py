# Closes descriptors 0, 1 and 2, and prints.
#
# ends: SUCCEEDED
# prints: still heard
import os

os.closerange(0, 3)
print("still heard")
