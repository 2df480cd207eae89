# Raises an exception whose text puts the exception where it outlives the task.
#
# ends: RAISED
# error: ^Hostile: kept
import sys


class Hostile(Exception):
    def __str__(self):
        sys.kept = self
        return "kept"


raise Hostile
