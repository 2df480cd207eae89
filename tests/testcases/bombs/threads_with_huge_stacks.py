# Starts threads that each want a stack of one gibibyte, and does not catch the refusal.
#
# lanes: cpu
# ends: PROCESS_LIMIT
# evidence: limit=processes
import threading

door = threading.Event()
threading.stack_size(1 << 30)
try:
    while True:
        threading.Thread(target=door.wait, daemon=True).start()
finally:
    door.set()
