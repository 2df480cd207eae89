# Sets a timer whose signal it does not handle. Beside others, who would go with it, it may not.
#
# ends.cpu: CRASHED
# evidence.cpu: signal=14\b
# ends.io: RAISED
# error.io: itimer_error.*not permitted
import signal

signal.setitimer(signal.ITIMER_REAL, 0.01)
while True:
    pass
