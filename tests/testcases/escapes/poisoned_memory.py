# Tells the kernel that memory of the machine is broken, so that it is used no more.
import ctypes
import errno
import mmap

MADV_HWPOISON, MADV_SOFT_OFFLINE = 100, 101
libc = ctypes.CDLL(None, use_errno=True)
page = mmap.mmap(-1, mmap.PAGESIZE)
page[0] = 1
address = ctypes.c_void_p(ctypes.addressof(ctypes.c_char.from_buffer(page)))
for advice in (MADV_HWPOISON, MADV_SOFT_OFFLINE):
    assert libc.madvise(address, ctypes.c_size_t(mmap.PAGESIZE), advice) == -1, "it was believed"
    assert ctypes.get_errno() in (errno.EPERM, errno.EINVAL), ctypes.get_errno()
