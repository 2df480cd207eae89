# Kills whatever it may, which leaves out itself: there is nobody.
#
# ends: RAISED
# error: ^ProcessLookupError
import os
import signal

os.kill(-1, signal.SIGKILL)
