# Leaves a file of its scratch mapped that has no name and no descriptor any more.
#
# lanes: cpu
import ctypes
import mmap
import os

SIZE = 1 << 20
file = os.open("file", os.O_RDWR | os.O_CREAT)
os.ftruncate(file, SIZE)
libc = ctypes.CDLL(None)
libc.mmap.restype = ctypes.c_void_p
address = libc.mmap(None, ctypes.c_size_t(SIZE), mmap.PROT_READ | mmap.PROT_WRITE, mmap.MAP_SHARED, file, 0)
ctypes.memset(address, 1, SIZE)
os.close(file)
os.unlink("file")
