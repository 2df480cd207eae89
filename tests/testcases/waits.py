"""Good citizens: tasks that come to a known point and wait there until the test lets them go on."""

import socket


def ring_and_wait(port):
    """Rings the test's doorbell, then waits to be let in; returns what it was let in with."""
    with socket.create_connection(("127.0.0.1", port)) as door:
        return door.recv(1).decode()


def print_ring_and_wait(port, text):
    """As above, but prints first: what it printed must survive its end."""
    print(text)
    return ring_and_wait(port)
