# Starts processes in namespaces of their own, and one that is the child of its own parent, as far as it may start any.
#
# subprocess: yes
# refused: clone
import ctypes
import errno
import os
import signal

CLONE_PARENT = 0x8000
FLAGS = (0x20000, 0x02000000, 0x04000000, 0x08000000, 0x10000000, 0x20000000, 0x40000000, CLONE_PARENT)
libc = ctypes.CDLL(None, use_errno=True)
for flags in FLAGS:
    child = libc.syscall(56, flags | signal.SIGCHLD, None, None, None, None)
    if child == 0:
        os._exit(0)
    assert child == -1 and ctypes.get_errno() == errno.EPERM, (hex(flags), ctypes.get_errno())
