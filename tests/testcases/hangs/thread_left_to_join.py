# Ends at once, but for a thread that Python waits for.
#
# ends: TIMED_OUT
# wall: 300
# evidence: limit=wall
import threading


def spin():
    while True:
        pass


threading.Thread(target=spin).start()
