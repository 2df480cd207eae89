# Opens sockets of every family in the lane that has no network.
#
# lanes: cpu
# refused: socket
import errno
import socket

FAMILIES = {"INET": 2, "INET6": 10, "NETLINK": 16, "PACKET": 17, "ALG": 38, "VSOCK": 40, "XDP": 44}
for name, family in FAMILIES.items():
    for kind in (socket.SOCK_STREAM, socket.SOCK_DGRAM, socket.SOCK_RAW):
        try:
            socket.socket(family, kind)
        except PermissionError as error:
            assert error.errno == errno.EPERM, (name, error)
        else:
            raise AssertionError(f"a socket of {name}")
