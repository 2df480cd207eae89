# Has threads that each recurse down a huge stack of their own and stay there.
#
# ends.cpu: MEMORY_LIMIT
# ends.io: INTERPRETER_LOST
# evidence.cpu: oom_kill
import sys
import threading

THREADS, DEPTH = 32, 100_000
sys.setrecursionlimit(10**9)
threading.stack_size(512 << 20)
door = threading.Event()


def deeper(depth):
    """By way of C, as Python alone would not use the stack."""
    return next(map(deeper, [depth - 1])) if depth > 0 else door.wait()


for _ in range(THREADS):
    threading.Thread(target=deeper, args=(DEPTH,), daemon=True).start()
door.wait()
