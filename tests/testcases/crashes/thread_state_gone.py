# Tells Python that its thread has no thread state any more.
#
# ends: CRASHED
# evidence: signal=11\b
import ctypes

ctypes.pythonapi.PyThreadState_Swap(None)
