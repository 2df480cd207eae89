# Raises an exception with a text of 8 MiB.
#
# ends: RAISED
# error: ^ValueError: xxx
raise ValueError("x" * (8 << 20))
