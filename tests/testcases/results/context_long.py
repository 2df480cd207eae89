# Raises an exception that came of another that came of another, twenty thousand times.
#
# ends: RAISED
# error: ^ValueError: the last
last = ValueError("the last")
error = last
for number in range(20_000):
    error.__context__ = ValueError(number)
    error = error.__context__
raise last
