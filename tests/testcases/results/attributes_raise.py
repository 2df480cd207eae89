# Raises an exception that raises when it is asked for anything.
#
# ends: RAISED
# error: ^Hostile
class Hostile(Exception):
    def __getattribute__(self, name):
        raise RuntimeError(f"no {name}")


raise Hostile("what it says")
