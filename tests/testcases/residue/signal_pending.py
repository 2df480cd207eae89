# Leaves signals that wait until somebody unblocks them, and would then end the process.
#
# lanes: cpu
import os
import signal

LEFT = {signal.SIGTERM, signal.SIGUSR1}
signal.pthread_sigmask(signal.SIG_BLOCK, LEFT)
for number in LEFT:
    os.kill(os.getpid(), number)
assert signal.sigpending() == LEFT
