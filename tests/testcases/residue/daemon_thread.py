# Leaves a thread of Python's that waits for ever.
#
# lanes: cpu
# warns: outlived the task
import threading

threading.Thread(target=threading.Event().wait, daemon=True).start()
