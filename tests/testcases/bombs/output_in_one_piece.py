# Prints a text of 32 MiB at once.
#
# ends: SUCCEEDED
print("x" * (32 << 20))
