# Leaves the lock of the module logging with a thread that has ended, so that nobody can take it.
#
# lanes: cpu
import logging
import threading

thread = threading.Thread(target=logging._lock.acquire)
thread.start()
thread.join()
assert not logging._lock.acquire(blocking=False)
