# Writes over what lies behind a piece of memory, for a megabyte, and goes on.
#
# ends.cpu: CRASHED
# ends.io: CRASHED INTERPRETER_LOST
import ctypes

libc = ctypes.CDLL(None)
libc.malloc.restype = ctypes.c_void_p
ctypes.memset(libc.malloc(1000), 0x41, 1 << 20)
pieces = [libc.malloc(size) for size in range(1, 100_000, 100)]
