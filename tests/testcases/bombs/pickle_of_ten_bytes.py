# Unpickles ten bytes that ask for a table of a gibibyte.
#
# ends.cpu: MEMORY_LIMIT
# ends.io: INTERPRETER_LOST
# evidence.cpu: oom_kill
import pickle

index = 1 << 26
pickle.loads(pickle.NONE + pickle.LONG_BINPUT + index.to_bytes(4, "little") + pickle.STOP)
