# Raises a group of ten thousand exceptions.
#
# ends: RAISED
# error: ^ExceptionGroup: all of them
raise ExceptionGroup("all of them", [ValueError(number) for number in range(10_000)])
