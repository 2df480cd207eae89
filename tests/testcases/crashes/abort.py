# Aborts.
#
# ends: CRASHED
# evidence: signal=6\b
import os

os.abort()
