# Gives its own files away to root, as set-user-ID programs are made.
#
# refused: chown lchown fchown fchownat
import ctypes
import errno
import os
import tempfile

AT_FDCWD = -100
libc = ctypes.CDLL(None, use_errno=True)
with tempfile.NamedTemporaryFile() as file:
    name = file.name.encode()
    calls = {
        "chown": (92, name, 0, 0),
        "lchown": (94, name, 0, 0),
        "fchown": (93, file.fileno(), 0, 0),
        "fchownat": (260, AT_FDCWD, name, 0, 0, 0),
    }
    for call, arguments in calls.items():
        assert libc.syscall(*arguments) == -1 and ctypes.get_errno() == errno.EPERM, (call, ctypes.get_errno())
    assert os.fstat(file.fileno()).st_uid == 1000
