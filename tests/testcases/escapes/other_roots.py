# Takes another folder as its root, from which ".." would lead out.
#
# refused: chroot pivot_root
import ctypes
import errno
import os

try:
    os.chroot("/tmp")
except PermissionError as error:
    assert error.errno == errno.EPERM, error
else:
    raise AssertionError("it has another root")
libc = ctypes.CDLL(None, use_errno=True)
assert libc.syscall(155, b"/tmp", b"/tmp") == -1 and ctypes.get_errno() == errno.EPERM, ctypes.get_errno()
