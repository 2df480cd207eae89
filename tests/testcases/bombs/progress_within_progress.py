# Tells of its progress with a number that tells of its progress when it is looked at.
#
# ends: RAISED
# error: ^RecursionError
import gild


class Odd:
    def __index__(self):
        gild.progress(self)
        return 1


gild.progress(Odd())
