# Leaves every signal blocked in its thread.
import signal

signal.pthread_sigmask(signal.SIG_BLOCK, signal.valid_signals())
