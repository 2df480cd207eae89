# Raises an exception whose class has lines, colours and half of a character in its name.
#
# ends: RAISED
# error: what it says
class Hostile(Exception):
    __qualname__ = "Fine\n\x1b[31m\ud800"


raise Hostile("what it says")
