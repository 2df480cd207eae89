# Ends its process when its code has ended well, in a finalizer.
#
# ends: EXITED
# evidence: exit_code=6\b
import os


class Last:
    def __del__(self, leave=os._exit):
        leave(6)


last = Last()
