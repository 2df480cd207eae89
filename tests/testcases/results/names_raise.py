# Raises an exception whose class raises when it is asked for anything.
#
# ends: RAISED
# error: ^Hostile
class Meta(type):
    def __getattribute__(cls, name):
        raise RuntimeError(f"no {name}")


class Hostile(Exception, metaclass=Meta):
    pass


raise Hostile("what it says")
