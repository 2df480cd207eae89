# Breaks the module that knows of its threads, one of which runs on for a moment.
#
# ends: RAISED SUCCEEDED
import threading
import time

threading.Thread(target=time.sleep, args=(0.2,)).start()
threading.enumerate = None
