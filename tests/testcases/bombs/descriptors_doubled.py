# Doubles one descriptor until there is no number left, and leaves all of them open.
#
# lanes: cpu
# ends: RAISED
# error: Errno 24
# warns: open descriptors
import os

while True:
    os.dup(0)
