# Raises an exception whose text is a number.
#
# ends: RAISED
# error: ^Hostile: .*TypeError
class Hostile(Exception):
    def __str__(self):
        return 42


raise Hostile
