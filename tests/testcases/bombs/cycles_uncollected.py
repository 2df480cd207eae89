# Makes garbage that only the collector could find, with the collector switched off. (In the I/O lane the
# next task switches it on again.)
#
# ends.cpu: MEMORY_LIMIT
# ends.io: INTERPRETER_LOST TIMED_OUT
# evidence.cpu: oom_kill
import gc

gc.disable()
while True:
    cycle = [bytearray(1000)]
    cycle.append(cycle)
