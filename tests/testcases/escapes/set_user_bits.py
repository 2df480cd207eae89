# Sets the set-user-ID bit of a program of its own, and becomes that program.
#
# refused: execve execveat
import ctypes
import errno
import os
import tempfile

AT_EMPTY_PATH = 0x1000
assert os.statvfs("/tmp").f_flag & os.ST_NOSUID, "the scratch honours set-user-ID bits"
libc = ctypes.CDLL(None, use_errno=True)
with tempfile.NamedTemporaryFile() as program:
    program.write(b"#!/bin/sh\nid -u\n")
    program.flush()
    os.chmod(program.name, 0o6755)
    try:
        os.execv(program.name, [program.name])
    except PermissionError as error:
        assert error.errno == errno.EPERM, error
    assert libc.syscall(322, program.fileno(), b"", None, None, AT_EMPTY_PATH) == -1, "it runs"
    assert ctypes.get_errno() == errno.EPERM, ctypes.get_errno()
