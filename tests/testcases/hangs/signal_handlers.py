# Answers every signal that can be answered with a handler that goes to sleep.
#
# lanes: cpu
# ends: TIMED_OUT
# wall: 300
# evidence: limit=wall
import contextlib
import signal
import time

for number in signal.valid_signals():
    with contextlib.suppress(OSError):
        signal.signal(number, lambda *_: time.sleep(3600))
signal.raise_signal(signal.SIGUSR1)
while True:
    time.sleep(0.001)
