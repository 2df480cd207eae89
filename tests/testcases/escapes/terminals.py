# Types characters into a terminal, takes one over and hangs it up, as programs that share one can.
#
# refused: ioctl vhangup
import ctypes
import errno
import fcntl

TIOCSCTTY, TIOCSTI, TIOCLINUX, TIOCSETD, TIOCCONS = 0x540E, 0x5412, 0x541C, 0x5423, 0x541D
for request in (TIOCSCTTY, TIOCSTI, TIOCLINUX, TIOCSETD, TIOCCONS):
    try:
        fcntl.ioctl(0, request, b"\x02\0\0\0")
    except PermissionError as error:
        assert error.errno == errno.EPERM, error
    else:
        raise AssertionError(f"{request:#x} was done")
libc = ctypes.CDLL(None, use_errno=True)
assert libc.syscall(153) == -1 and ctypes.get_errno() == errno.EPERM, ctypes.get_errno()
