# Raises an exception about something that kills its process when it is looked at.
#
# ends: CRASHED
# evidence: signal=9\b
import os
import signal


class Deadly:
    def __repr__(self):
        os.kill(os.getpid(), signal.SIGKILL)


raise ValueError(Deadly())
