# Formats a number to a width of half a gibibyte.
#
# ends.cpu: MEMORY_LIMIT
# ends.io: INTERPRETER_LOST
# evidence.cpu: oom_kill
text = "{:>{}}".format(1, 1 << 29)
