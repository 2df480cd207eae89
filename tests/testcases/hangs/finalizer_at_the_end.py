# Keeps an object until its end, when nothing is left to do but its finalizer, which never ends.
#
# ends.cpu: TIMED_OUT
# ends.io: TIMED_OUT SUCCEEDED
# wall: 300
class Endless:
    def __del__(self):
        while True:
            pass


thing = Endless()
