"""Bad citizens that a request to stop does not reach: only the end of their interpreter ends them."""

import ctypes
import re
import socket
import time


def ring(port):
    with socket.create_connection(("127.0.0.1", port)) as door:
        door.recv(1)


def regex():
    """Backtracks for years inside C, with the lock."""
    re.match(r"(a+)+$", "a" * 60 + "b")


def ring_then_regex(port):
    ring(port)
    regex()


def power():
    """One multiplication after the other inside C, with the lock."""
    return 3 ** (10**9)


class LongStory(Exception):
    def __str__(self):
        time.sleep(3600)


def raise_what_takes_long_to_print():
    """Ends in time, but for its error's text."""
    raise LongStory


def swallow():
    """Takes every exception for a reason to go on."""
    while True:
        try:
            time.sleep(3600)
        except BaseException:
            pass


def hold_the_lock():
    """Sleeps in C without letting go of the lock."""
    libc = ctypes.PyDLL(None)
    while True:
        libc.sleep(3600)
