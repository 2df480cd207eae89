# Locks memory so that it is never given back: all of it, and more than it may.
#
# refused: mlockall
import ctypes
import errno
import mmap

MCL_CURRENT, MCL_FUTURE, SIZE = 1, 2, 1 << 20
libc = ctypes.CDLL(None, use_errno=True)
assert libc.mlockall(MCL_CURRENT | MCL_FUTURE) == -1 and ctypes.get_errno() == errno.EPERM, ctypes.get_errno()
memory = mmap.mmap(-1, SIZE)
address = ctypes.c_void_p(ctypes.addressof(ctypes.c_char.from_buffer(memory)))
assert libc.mlock(address, ctypes.c_size_t(SIZE)) == -1 and ctypes.get_errno() == errno.ENOMEM, ctypes.get_errno()
