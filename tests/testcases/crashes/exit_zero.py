# Ends its process as if all were well.
#
# ends: EXITED
# evidence: exit_code=0\b
import os

os._exit(0)
