# Has many threads that all want the lock all the time.
#
# lanes: io
# ends: TIMED_OUT
# wall: 300
# evidence: limit=wall
import threading


def spin():
    while True:
        pass


threads = [threading.Thread(target=spin) for _ in range(50)]
for thread in threads:
    thread.start()
for thread in threads:
    thread.join()
