# Signals the first process of its slot, whose end would be the end of all that is in it.
import os
import signal

for number in (signal.SIGKILL, signal.SIGSTOP, signal.SIGTERM, signal.SIGCHLD, signal.SIGSEGV):
    try:
        os.kill(1, number)
    except PermissionError:
        continue
    raise AssertionError(f"{number!r} was sent")
assert os.getppid() == 1
