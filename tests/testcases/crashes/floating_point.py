# Raises the signal of a division by zero.
#
# ends: CRASHED
# evidence: signal=8\b
import signal

signal.raise_signal(signal.SIGFPE)
