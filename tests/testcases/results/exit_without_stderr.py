# Leaves with a text, after it has put in the place of stderr what cannot be written to.
#
# ends: EXITED
# evidence: exit_code=1\b
import sys


class Deaf:
    def write(self, text):
        raise OSError("not now")


sys.stderr = Deaf()
sys.exit("good bye")
