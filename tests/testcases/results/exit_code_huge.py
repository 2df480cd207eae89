# Leaves with a code that no process can have.
#
# ends: EXITED
# evidence: exit_code=255\b
import sys

sys.exit(10**30)
