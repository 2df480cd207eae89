# Starts threads until no more can be started, and goes on as if nothing had happened.
#
# lanes: cpu
# ends: PROCESS_LIMIT
# evidence: limit=processes
import threading

door = threading.Event()
try:
    while True:
        threading.Thread(target=door.wait, daemon=True).start()
except RuntimeError:
    door.set()
