# Runs random bytes as bytecode, again and again, each time in a child that a timer ends if nothing else does.
#
# subprocess: yes
# ends: SUCCEEDED
import os
import random
import signal


def function():
    pass


for seed in range(20):
    child = os.fork()
    if child == 0:
        signal.setitimer(signal.ITIMER_REAL, 0.2)
        code = random.Random(seed).randbytes(40)
        function.__code__ = function.__code__.replace(co_code=code, co_stacksize=100)
        function()
        os._exit(0)
    os.waitpid(child, 0)
