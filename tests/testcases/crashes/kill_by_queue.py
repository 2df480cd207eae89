# Ends its own process with a queued signal, which Python has no name for.
#
# ends: CRASHED INTERPRETER_LOST
# evidence: signal=15\b
import ctypes
import os
import signal

ctypes.CDLL(None).sigqueue(os.getpid(), int(signal.SIGTERM), None)
