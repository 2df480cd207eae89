# Has a weak reference call back, when its object is gone, a function that never ends.
#
# ends: TIMED_OUT
# wall: 300
# evidence: limit=wall
import weakref


class Thing:
    pass


def spin(_):
    while True:
        pass


thing = Thing()
reference = weakref.ref(thing, spin)
del thing
