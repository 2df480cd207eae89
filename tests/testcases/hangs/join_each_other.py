# Has two threads that each wait for the end of the other.
#
# ends: TIMED_OUT
# wall: 300
# evidence: limit=wall
import threading

begun = threading.Event()
threads = []


def join_the_other(number):
    begun.wait()
    threads[1 - number].join()


threads += [threading.Thread(target=join_the_other, args=(number,)) for number in (0, 1)]
for thread in threads:
    thread.start()
begun.set()
for thread in threads:
    thread.join()
