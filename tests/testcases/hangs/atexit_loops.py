# Wants to compute for ever when its interpreter ends, which it is not asked about.
#
# ends: SUCCEEDED
import atexit


@atexit.register
def spin():
    while True:
        pass
