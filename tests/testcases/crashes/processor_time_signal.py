# Sends itself the signal of used up processor time.
#
# ends: CRASHED
# evidence: signal=24\b
import signal

signal.raise_signal(signal.SIGXCPU)
