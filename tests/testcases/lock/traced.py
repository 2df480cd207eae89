# Traces itself, and every thread that is started from now on, with a function that takes its time.
#
# lanes: io
# ends: SUCCEEDED
import sys
import threading


def trace(*_):
    sum(range(1000))
    return trace


threading.settrace(trace)
sys.settrace(trace)
thread = threading.Thread(target=int)
thread.start()
thread.join()
