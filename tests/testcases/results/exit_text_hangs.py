# Leaves with something whose text never comes.
#
# ends.cpu: TIMED_OUT
# ends.io: TIMED_OUT EXITED
# wall: 300
import sys


class Hostile:
    def __str__(self):
        while True:
            pass


sys.exit(Hostile())
