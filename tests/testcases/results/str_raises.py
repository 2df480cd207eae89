# Raises an exception whose text raises another.
#
# ends: RAISED
# error: ^Hostile: .*RuntimeError
class Hostile(Exception):
    def __str__(self):
        raise RuntimeError("no text either")


raise Hostile
