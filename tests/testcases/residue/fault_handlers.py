# Has faults, and a signal, print tracebacks from now on.
#
# lanes: cpu
import faulthandler
import signal

faulthandler.enable(file=2)
faulthandler.register(signal.SIGUSR1, file=2)
