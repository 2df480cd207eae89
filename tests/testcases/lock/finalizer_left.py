# Leaves garbage whose finalizer holds the lock, in whichever task's time the collector finds it.
#
# lanes: io
# ends: SUCCEEDED
import ctypes


class Holder:
    def __init__(self):
        self.cycle = self

    def __del__(self, usleep=ctypes.PyDLL(None).usleep):
        usleep(200_000)


Holder()
