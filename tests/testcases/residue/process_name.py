# Gives its thread another name, which in the CPU lane is the name of its process.
import ctypes

PR_SET_NAME = 15
assert ctypes.CDLL(None).prctl(PR_SET_NAME, b"left behind", 0, 0, 0) == 0
