# Leaves memory mapped that is shared and that no object knows of.
#
# lanes: cpu
import ctypes
import mmap

SIZE = 16 << 20
libc = ctypes.CDLL(None)
libc.mmap.restype = ctypes.c_void_p
kind = mmap.MAP_SHARED | mmap.MAP_ANONYMOUS
address = libc.mmap(None, ctypes.c_size_t(SIZE), mmap.PROT_READ | mmap.PROT_WRITE, kind, -1, 0)
ctypes.memset(address, 1, SIZE)
