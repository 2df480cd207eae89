# Maps the first page of its memory, where the kernel would look when it follows a pointer that is null.
import ctypes
import errno
import mmap

MAP_FIXED = 0x10
libc = ctypes.CDLL(None, use_errno=True)
libc.mmap.restype = ctypes.c_void_p
flags = mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS | MAP_FIXED
mapped = libc.mmap(None, ctypes.c_size_t(mmap.PAGESIZE), mmap.PROT_READ | mmap.PROT_WRITE, flags, -1, 0)
assert mapped == ctypes.c_void_p(-1).value, "it was mapped"
assert ctypes.get_errno() == errno.EPERM, ctypes.get_errno()
