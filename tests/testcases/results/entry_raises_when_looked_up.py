# Has an entry that cannot even be looked up.
#
# entry: Hostile.main
# ends: RAISED
# error: ^(EntryNotFound|RuntimeError)
class Meta(type):
    def __getattr__(cls, name):
        raise RuntimeError(f"no {name}")


class Hostile(metaclass=Meta):
    pass
