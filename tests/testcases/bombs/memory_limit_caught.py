# Takes all the memory that its limit leaves, in ever smaller pieces, and goes on with what there is.
#
# lanes: cpu
# ends: SUCCEEDED MEMORY_LIMIT
# memory: 64
pieces = []
size = 1 << 26
while size > 0:
    try:
        pieces.append(bytearray(size))
    except MemoryError:
        size //= 2
