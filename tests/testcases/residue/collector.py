# Switches the collector of cyclic garbage off, and listens to it.
#
# lanes: cpu
import gc

gc.disable()
gc.set_threshold(1)
gc.set_debug(gc.DEBUG_SAVEALL)
gc.callbacks.append(lambda phase, info: None)
