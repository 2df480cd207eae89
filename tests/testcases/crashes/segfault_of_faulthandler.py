# Asks Python's own module for crashes for one.
#
# ends: CRASHED
# evidence: signal=11\b
import faulthandler

faulthandler._sigsegv()
