# Wants its memory kept from being moved: a little more than is allowed, then all of it.
#
# refused: mlockall
import ctypes
import errno

MCL_CURRENT = 1
libc = ctypes.CDLL(None, use_errno=True)
piece = ctypes.create_string_buffer(1 << 20)
assert libc.mlock(piece, len(piece)) == -1 and ctypes.get_errno() == errno.ENOMEM, ctypes.get_errno()
assert libc.mlockall(MCL_CURRENT) == -1 and ctypes.get_errno() == errno.EPERM, ctypes.get_errno()
