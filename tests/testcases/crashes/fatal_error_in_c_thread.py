# Has a thread of C, without a Python thread state, tell Python that it cannot go on.
#
# ends: CRASHED
# evidence: signal=6\b
import faulthandler

faulthandler._fatal_error_c_thread()
