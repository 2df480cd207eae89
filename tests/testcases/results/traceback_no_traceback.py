# Raises an exception whose traceback is a number.
#
# ends: RAISED
# error: ^Hostile
class Hostile(Exception):
    __traceback__ = property(lambda self: 42)


raise Hostile("what it says")
