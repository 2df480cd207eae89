# Computes with every signal blocked that can be blocked.
#
# lanes: cpu
# ends: CPU_LIMIT
# cpu: 200
# evidence: limit=cpu
import signal

signal.pthread_sigmask(signal.SIG_BLOCK, signal.valid_signals())
while True:
    pass
