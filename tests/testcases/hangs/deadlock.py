# Has two threads that each wait for what the other has.
#
# ends: TIMED_OUT
# wall: 300
# evidence: limit=wall
import threading

both = threading.Barrier(2)
one, other = threading.Lock(), threading.Lock()


def take(first, second):
    with first:
        both.wait()
        with second:
            pass


threads = [threading.Thread(target=take, args=locks) for locks in ((one, other), (other, one))]
for thread in threads:
    thread.start()
for thread in threads:
    thread.join()
