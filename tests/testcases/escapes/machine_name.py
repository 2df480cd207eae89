# Gives the machine another name, of which it does not know the true one.
#
# refused: sethostname setdomainname
import ctypes
import errno
import os
import socket

try:
    socket.sethostname("mine")
except PermissionError:
    pass
libc = ctypes.CDLL(None, use_errno=True)
assert libc.setdomainname(b"mine", 4) == -1 and ctypes.get_errno() == errno.EPERM, ctypes.get_errno()
assert os.uname().nodename == "gild", os.uname()
