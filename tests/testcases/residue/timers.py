# Leaves timers that go off again and again when the process has used so much of the processor.
#
# lanes: cpu
import signal

signal.setitimer(signal.ITIMER_VIRTUAL, 0.5, 0.5)
signal.setitimer(signal.ITIMER_PROF, 0.5, 0.5)
