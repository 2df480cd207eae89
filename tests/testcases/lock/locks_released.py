# Lets go of every lock that it can find, whoever has it.
#
# lanes: io
# ends: SUCCEEDED
import _thread
import contextlib
import gc

for thing in gc.get_objects():
    if type(thing) is _thread.LockType and thing.locked():
        with contextlib.suppress(RuntimeError):
            thing.release()
