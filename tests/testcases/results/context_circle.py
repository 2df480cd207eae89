# Raises an exception that came of another, which came of the first.
#
# ends: RAISED
# error: ^ValueError: one
one, other = ValueError("one"), ValueError("other")
one.__cause__, other.__cause__ = other, one
one.__context__, other.__context__ = other, one
raise one
