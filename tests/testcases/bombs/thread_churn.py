# Starts one thread after the other, each when the last has ended, for ever.
#
# ends: TIMED_OUT
# wall: 300
# evidence: limit=wall
import threading

while True:
    thread = threading.Thread(target=int)
    thread.start()
    thread.join()
