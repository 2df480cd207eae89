# Calls itself in C until the stack is used up.
#
# ends: CRASHED
# evidence: signal=11\b
import faulthandler

faulthandler._stack_overflow()
