# Moves the end of its data segment past malloc, and writes to all of it.
#
# ends.cpu: MEMORY_LIMIT
# ends.io: INTERPRETER_LOST
# evidence.cpu: oom_kill
import ctypes

PIECE_BYTES = 1 << 20
sbrk = ctypes.CDLL(None).sbrk
sbrk.restype = ctypes.c_void_p
while True:
    ctypes.memset(sbrk(PIECE_BYTES), 1, PIECE_BYTES)
