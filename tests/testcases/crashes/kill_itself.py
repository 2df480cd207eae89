# Kills its own process.
#
# ends: CRASHED
# evidence: signal=9\b
import os
import signal

os.kill(os.getpid(), signal.SIGKILL)
