# Reads from where nothing is.
#
# ends: CRASHED
# evidence: signal=11\b
import ctypes

ctypes.string_at(0)
