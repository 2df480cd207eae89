# Starts processes without having asked for it: forks, spawns, and runs a program.
#
# refused: clone fork vfork
import ctypes
import errno
import os
import subprocess

FORK, VFORK = 57, 58
attempts = (
    os.fork,
    lambda: os.posix_spawn("/usr/bin/true", ["true"], {}),
    lambda: subprocess.run(["/usr/bin/true"]),
)
for number, attempt in enumerate(attempts):
    try:
        child = attempt()
    except PermissionError as error:
        assert error.errno == errno.EPERM, error
        continue
    if child == 0:
        os._exit(0)
    raise AssertionError(f"attempt {number} started one")
libc = ctypes.CDLL(None, use_errno=True)
for number in (FORK, VFORK):
    assert libc.syscall(number) == -1 and ctypes.get_errno() == errno.EPERM, (number, ctypes.get_errno())
