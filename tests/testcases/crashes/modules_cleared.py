# Has Python forget every module that was imported.
#
# ends: SUCCEEDED
import sys

sys.modules.clear()
