# Answers page faults itself, by which the kernel can be held up in the middle of a copy.
#
# refused: userfaultfd
import ctypes
import errno
import os

UFFD_USER_MODE_ONLY = 1
libc = ctypes.CDLL(None, use_errno=True)
for flags in (0, UFFD_USER_MODE_ONLY):
    assert libc.syscall(323, flags) == -1, "it answers them"
    assert ctypes.get_errno() == errno.EPERM, ctypes.get_errno()
assert not os.path.lexists("/dev/userfaultfd")
