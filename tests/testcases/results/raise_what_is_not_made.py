# Raises an exception whose class makes a number instead of one.
#
# ends: RAISED
# error: ^TypeError
class Hostile(Exception):
    def __new__(cls):
        return 42


raise Hostile
