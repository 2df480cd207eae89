# Raises SystemExit in a thread, where Python takes no notice of it.
#
# ends: SUCCEEDED
# prints: still here
import sys
import threading

thread = threading.Thread(target=sys.exit, args=(9,))
thread.start()
thread.join()
print("still here")
