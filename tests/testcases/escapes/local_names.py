# Sends to the machine's local sockets from half a socket pair, as sending may name whom connecting may not.
#
# lanes: cpu
import socket

NAMES = ("/run/docker.sock", "/run/systemd/journal/dev-log", "/run/dbus/system_bus_socket", "\0/tmp/.X11-unix/X0", "\0upstart")
one, other = socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM)
with one, other:
    for name in NAMES:
        try:
            one.sendto(b"hello", name)
        except OSError:
            continue
        raise AssertionError(f"{name!r} was reached")
