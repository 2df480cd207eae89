# Makes a memory file that can be executed, makes one executable later on, and becomes what is in it.
#
# refused: execveat
import ctypes
import errno
import os

MFD_EXEC, AT_EMPTY_PATH = 0x10, 0x1000
try:
    os.memfd_create("program", MFD_EXEC)
except PermissionError as error:
    assert error.errno == errno.EACCES, error
else:
    raise AssertionError("it can be executed")
libc = ctypes.CDLL(None, use_errno=True)
program = os.memfd_create("program")
try:
    os.write(program, b"#!/usr/bin/id\n")
    assert os.fstat(program).st_mode & 0o111 == 0
    try:
        os.fchmod(program, 0o755)
    except PermissionError as error:
        assert error.errno == errno.EPERM, error
    assert os.fstat(program).st_mode & 0o111 == 0, "it was made executable"
    assert libc.syscall(322, program, b"", None, None, AT_EMPTY_PATH) == -1, "it runs"
    assert ctypes.get_errno() == errno.EPERM, ctypes.get_errno()
finally:
    os.close(program)
