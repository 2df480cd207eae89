# Gives the same piece of memory back twice.
#
# ends: CRASHED
import ctypes

libc = ctypes.CDLL(None)
libc.malloc.restype = ctypes.c_void_p
piece = ctypes.c_void_p(libc.malloc(1000))
libc.free(piece)
libc.free(piece)
