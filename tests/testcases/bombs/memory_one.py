# Wants half a gibibyte in one piece, all of it zeroed.
#
# ends.cpu: MEMORY_LIMIT
# ends.io: INTERPRETER_LOST
# evidence.cpu: oom_kill
bytearray(1 << 29)
