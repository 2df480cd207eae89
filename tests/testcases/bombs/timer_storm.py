# Has a timer interrupt it a hundred thousand times a second, and ends with the timer running. A machine that takes longer than
# that for a signal never comes to anything else.
#
# lanes: cpu
# ends: SUCCEEDED TIMED_OUT
import signal
import time

signal.signal(signal.SIGALRM, lambda *_: None)
signal.setitimer(signal.ITIMER_REAL, 0.00001, 0.00001)
end = time.monotonic() + 0.3
while time.monotonic() < end:
    pass
