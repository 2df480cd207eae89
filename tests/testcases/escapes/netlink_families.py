# Speaks with the kernel by netlink about what is not routes: audit, firewalls, sockets, devices, keys of networks.
#
# lanes: io
# refused: socket
import errno
import socket

PROTOCOLS = {
    "SOCK_DIAG": 4,
    "NFLOG": 5,
    "XFRM": 6,
    "AUDIT": 9,
    "CONNECTOR": 11,
    "NETFILTER": 12,
    "KOBJECT_UEVENT": 15,
    "GENERIC": 16,
    "CRYPTO": 21,
}
for name, protocol in PROTOCOLS.items():
    try:
        socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, protocol)
    except PermissionError as error:
        assert error.errno == errno.EPERM, (name, error)
    else:
        raise AssertionError(f"a socket of {name}")
