# Leaves with something whose text raises.
#
# ends: EXITED
# evidence: exit_code=1\b
import sys


class Hostile:
    def __str__(self):
        raise RuntimeError("no text either")


sys.exit(Hostile())
