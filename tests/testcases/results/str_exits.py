# Raises an exception whose text raises SystemExit.
#
# ends: RAISED
# error: ^Hostile
class Hostile(Exception):
    def __str__(self):
        raise SystemExit(3)


raise Hostile
