# Raises an exception whose text is its text.
#
# ends: RAISED
# error: ^Hostile: .*RecursionError
class Hostile(Exception):
    def __str__(self):
        return str(self)


raise Hostile
