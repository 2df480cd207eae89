# Writes over what lies behind a piece of memory, for a megabyte, and goes on: to its death, most often, but it may wait for ever for what it broke.
#
# ends.cpu: CRASHED TIMED_OUT
# ends.io: CRASHED INTERPRETER_LOST TIMED_OUT
import ctypes

libc = ctypes.CDLL(None)
libc.malloc.restype = ctypes.c_void_p
ctypes.memset(libc.malloc(1000), 0x41, 1 << 20)
pieces = [libc.malloc(size) for size in range(1, 100_000, 100)]
