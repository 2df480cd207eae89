# Lets go of an object whose finalizer never ends.
#
# ends: TIMED_OUT
# wall: 300
# evidence: limit=wall
class Endless:
    def __del__(self):
        while True:
            pass


thing = Endless()
del thing
