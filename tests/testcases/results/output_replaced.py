# Puts in the place of stdout what kills its process when it is written to, and raises an exception.
#
# ends: RAISED
# error: ^ValueError
import os
import sys


class Deadly:
    def write(self, text):
        os.abort()


sys.stdout = Deadly()
raise ValueError("what it says")
