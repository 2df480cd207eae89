# Wants more memory than a process can have addresses for.
#
# ends: RAISED
# error: MemoryError
bytearray(1 << 60)
