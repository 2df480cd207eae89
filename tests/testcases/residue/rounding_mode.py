# Has its thread round all numbers up.
import ctypes

FE_UPWARD = 0x800
assert ctypes.CDLL("libm.so.6").fesetround(FE_UPWARD) == 0
