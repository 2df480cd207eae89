# Compares its own tables with those of the first process of its slot, and asks where that one's locks lie.
#
# refused: kcmp get_robust_list
import ctypes
import errno
import os

KCMP_FILES = 2
libc = ctypes.CDLL(None, use_errno=True)
head, size = ctypes.c_void_p(), ctypes.c_size_t()
assert libc.syscall(312, os.getpid(), 1, KCMP_FILES, 0, 0) == -1, "they were compared"
assert ctypes.get_errno() == errno.EPERM, ctypes.get_errno()
assert libc.syscall(274, 1, ctypes.byref(head), ctypes.byref(size)) == -1, head
assert ctypes.get_errno() == errno.EPERM, ctypes.get_errno()
