# Uses up the small stack of a thread that it has started.
#
# ends.cpu: CRASHED
# ends.io: CRASHED INTERPRETER_LOST
# evidence: signal=11\b
import sys
import threading


def deeper(_=None):
    return next(map(deeper, [0]))


sys.setrecursionlimit(10**9)
threading.stack_size(256 << 10)
thread = threading.Thread(target=deeper)
thread.start()
thread.join()
