# Makes a list of a thousand million numbers.
#
# ends.cpu: MEMORY_LIMIT
# ends.io: INTERPRETER_LOST
# evidence.cpu: oom_kill
numbers = [number for number in range(10**9)]
