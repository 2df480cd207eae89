# Raises an exception that makes a new text of 16 MiB each time it is asked for one.
#
# ends: RAISED
# error: ^Hostile: xxx
class Hostile(Exception):
    def __str__(self):
        return "x" * (16 << 20)


raise Hostile
