# Puts a page of a file that it may only read into a pipe, and writes over it there.
#
# refused: splice tee vmsplice
import ctypes
import errno
import os

libc = ctypes.CDLL(None, use_errno=True)
reading, writing = os.pipe()
file = os.open("/usr/lib/os-release", os.O_RDONLY)
try:
    before = os.pread(file, 64, 0)
    offset = ctypes.c_longlong(0)
    calls = {
        "splice": (275, file, ctypes.byref(offset), writing, None, 1, 0),
        "tee": (276, reading, writing, 1, 0),
        "vmsplice": (278, writing, None, 0, 0),
    }
    for name, arguments in calls.items():
        assert libc.syscall(*arguments) == -1 and ctypes.get_errno() == errno.EPERM, (name, ctypes.get_errno())
    assert os.pread(file, 64, 0) == before, "the file was changed"
finally:
    for descriptor in (reading, writing, file):
        os.close(descriptor)
