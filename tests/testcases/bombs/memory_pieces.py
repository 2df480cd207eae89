# Wants memory piece by piece, for ever.
#
# ends.cpu: MEMORY_LIMIT
# ends.io: INTERPRETER_LOST
# evidence.cpu: oom_kill
pieces = []
while True:
    pieces.append(bytearray(1 << 20))
