# Raises an exception whose class has a number for a name, and something that cannot be compared for a module.
#
# ends: RAISED
# error: ^Hostile
class Incomparable:
    def __eq__(self, other):
        raise RuntimeError("not to be compared")


class Meta(type):
    def __getattribute__(cls, name):
        return {"__qualname__": 42, "__module__": Incomparable()}.get(name) or type.__getattribute__(cls, name)


class Hostile(Exception, metaclass=Meta):
    pass


raise Hostile("what it says")
