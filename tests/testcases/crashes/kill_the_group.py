# Ends all processes of its group, which is itself.
#
# ends: CRASHED
# evidence: signal=15\b
import os
import signal

os.kill(0, signal.SIGTERM)
