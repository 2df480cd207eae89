"""Good citizens: tasks that come to a known point and wait there until the test lets them go on."""

import ctypes
import socket
import struct


def ring_and_wait(port):
    """Rings the test's doorbell, then waits to be let in; returns what it was let in with."""
    with socket.create_connection(("127.0.0.1", port)) as door:
        return door.recv(1).decode()


def print_ring_and_wait(port, text):
    """As above, but prints first: what it printed must survive its end."""
    print(text)
    return ring_and_wait(port)


def ring_and_wait_with_the_lock(port):
    """As the first, but without letting go of the lock from before it rings."""
    libc, word, door = ctypes.PyDLL(None), ctypes.create_string_buffer(1), socket.socket()
    address = struct.pack("=H", socket.AF_INET) + struct.pack("!H", port) + socket.inet_aton("127.0.0.1") + bytes(8)
    libc.connect(door.fileno(), address, len(address))
    libc.recv(door.fileno(), word, 1, 0)
