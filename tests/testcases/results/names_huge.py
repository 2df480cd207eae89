# Raises an exception whose class has a name of a megabyte, and whose module has one as well.
#
# ends: RAISED
# error: ^mmm
Hostile = type("x" * (1 << 20), (Exception,), {"__module__": "m" * (1 << 20)})
raise Hostile("what it says")
