# Raises an exception about things that cannot be pickled or copied: a lock, a frame, a socket, itself.
#
# ends: RAISED
# error: ^ValueError
import socket
import sys
import threading

error = ValueError(threading.Lock(), sys._getframe(), socket.socketpair())
error.args += (error,)
raise error
