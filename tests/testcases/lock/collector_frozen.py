# Switches the collector off and has it forget all that there is.
#
# lanes: io
# ends: SUCCEEDED
import gc

gc.disable()
gc.freeze()
