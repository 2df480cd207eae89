# Makes event counters until it can make no more.
#
# ends: RAISED
# error: Errno 24
import os

counters = []
while True:
    counters.append(open(os.eventfd(1), "rb", buffering=0))
