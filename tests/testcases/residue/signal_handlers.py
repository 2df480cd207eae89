# Leaves a handler of its own for every signal that can have one, faults among them.
#
# lanes: cpu
import signal

for number in signal.valid_signals() - {signal.SIGKILL, signal.SIGSTOP}:
    signal.signal(number, lambda *_: None)
