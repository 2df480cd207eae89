# Sends its own thread a signal that it does not handle.
#
# ends: CRASHED
# evidence: signal=12\b
import signal
import threading

signal.pthread_kill(threading.get_ident(), signal.SIGUSR2)
