# Sends its own thread a signal that it does not handle.
#
# ends: CRASHED
# evidence: signal=12\b
import ctypes
import signal
import threading

ctypes.CDLL(None).signal(signal.SIGUSR2, 0)  # nor does anybody before it, who may have shared its process
signal.pthread_kill(threading.get_ident(), signal.SIGUSR2)
