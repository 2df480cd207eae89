# Puts a list into a list into a list, for ever.
#
# ends.cpu: MEMORY_LIMIT
# ends.io: INTERPRETER_LOST
# evidence.cpu: oom_kill
outer = []
while True:
    outer = [outer]
