# Doubles a text for ever.
#
# ends.cpu: MEMORY_LIMIT
# ends.io: INTERPRETER_LOST
# evidence.cpu: oom_kill
text = "x"
while True:
    text *= 2
