# Has the collector look at half a million objects, again and again, each time with the lock.
#
# lanes: io
# ends: SUCCEEDED
import gc

objects = [[] for _ in range(500_000)]
for _ in range(10):
    gc.collect()
