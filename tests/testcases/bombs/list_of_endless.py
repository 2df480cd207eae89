# Makes a list of what never ends, inside one call in C that never lets go of the lock.
#
# ends.cpu: MEMORY_LIMIT
# ends.io: INTERPRETER_LOST
# evidence.cpu: oom_kill
import itertools

list(itertools.repeat(None))
