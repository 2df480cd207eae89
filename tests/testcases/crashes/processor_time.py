# Sets itself a limit of a second of processor time, and uses it up.
#
# ends: CRASHED INTERPRETER_LOST
# evidence: signal=24\b
import resource

_, hard = resource.getrlimit(resource.RLIMIT_CPU)
resource.setrlimit(resource.RLIMIT_CPU, (1, hard))
while True:
    pass
