"""Bad citizens that take their interpreter with them."""

import ctypes
import os
import signal
import socket
import sys


def segfault():
    print("before")
    ctypes.string_at(0)


def abort():
    print("before")
    os.abort()


def kill_self():
    print("before")
    os.kill(os.getpid(), signal.SIGKILL)


def overflow_the_stack():
    print("before")
    sys.setrecursionlimit(10**9)

    class Deep:
        def __repr__(self):
            return repr(self)

    repr(Deep())


def leave(code):
    print("before")
    os._exit(code)


def ring_then_segfault(port):
    with socket.create_connection(("127.0.0.1", port)) as door:
        door.recv(1)
    segfault()


def ring_then_leave(port, code):
    with socket.create_connection(("127.0.0.1", port)) as door:
        door.recv(1)
    leave(code)
