# Makes an integer of half a gigabyte with one shift.
#
# ends.cpu: MEMORY_LIMIT
# ends.io: INTERPRETER_LOST
# evidence.cpu: oom_kill
bits = 1 << 32
number = 1 << bits
