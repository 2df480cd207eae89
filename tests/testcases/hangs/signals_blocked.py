# Blocks every signal and computes for ever.
#
# ends: TIMED_OUT
# wall: 300
# evidence: limit=wall
import signal

signal.pthread_sigmask(signal.SIG_BLOCK, signal.valid_signals())
while True:
    pass
