# Starts threads until its own limit refuses one more, and goes on as if nothing had happened.
#
# lanes: cpu
# processes: 2
# ends: PROCESS_LIMIT
# evidence: limit=processes allowed=2 
import threading

door = threading.Event()
threads = []
try:
    while len(threads) < 100:
        thread = threading.Thread(target=door.wait)
        thread.start()
        threads.append(thread)
except RuntimeError:
    door.set()
assert len(threads) == 2, len(threads)
