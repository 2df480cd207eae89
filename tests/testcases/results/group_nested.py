# Raises a group of one exception, which is a group of one exception, a thousand groups deep.
#
# ends: RAISED
# error: ^ExceptionGroup: again
error = ValueError("innermost")
for _ in range(1000):
    error = ExceptionGroup("again", [error])
raise error
