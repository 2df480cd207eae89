# Replaces, for a moment, what every task sleeps with and starts threads with: tasks of the I/O lane share their modules.
#
# lanes: io
# ends: SUCCEEDED
import threading
import time

sleep, start = time.sleep, threading.Thread.start
try:
    time.sleep = lambda seconds: None
    threading.Thread.start = lambda self: None
    sleep(0.05)
finally:
    time.sleep, threading.Thread.start = sleep, start
