# Writes to where nothing is, in a thread that it has started, while it waits for it.
#
# ends: CRASHED
# evidence: signal=11\b
import ctypes
import threading

thread = threading.Thread(target=ctypes.memset, args=(1, 0, 1))
thread.start()
thread.join()
