# Connects to the local sockets of the machine's daemons, in the lane that may connect.
#
# lanes: io
import socket

NAMES = (
    "/run/docker.sock",
    "/var/run/docker.sock",
    "/run/containerd/containerd.sock",
    "/run/dbus/system_bus_socket",
    "/run/systemd/private",
    "/run/systemd/journal/stdout",
    "/dev/log",
)
for name in NAMES:
    with socket.socket(socket.AF_UNIX) as local:
        try:
            local.connect(name)
        except FileNotFoundError:
            continue
        raise AssertionError(f"{name} was reached")
