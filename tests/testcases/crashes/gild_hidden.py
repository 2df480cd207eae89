# Puts nothing in the place of the module by which tasks speak to gild.
#
# ends: SUCCEEDED
import sys

sys.modules["gild"] = None
