# Ends its process from a thread that it has started.
#
# ends: EXITED
# evidence: exit_code=3\b
import os
import threading

thread = threading.Thread(target=os._exit, args=(3,))
thread.start()
thread.join()
