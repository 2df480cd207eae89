# Opens raw sockets, which may send what they like in anybody's name.
#
# lanes: io
# refused: socket
import errno
import socket

SOCKETS = (
    (socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_ICMP),
    (socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_RAW),
    (socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_TCP),  # which the filter lets pass, and the kernel does not
    (socket.AF_INET, socket.SOCK_DGRAM, socket.IPPROTO_ICMP),
    (socket.AF_INET6, socket.SOCK_RAW, socket.IPPROTO_ICMPV6),
)
for arguments in SOCKETS:
    try:
        socket.socket(*arguments)
    except PermissionError as error:
        assert error.errno == errno.EPERM, error
    else:
        raise AssertionError(f"{arguments} was opened")
