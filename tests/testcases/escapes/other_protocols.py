# Opens internet sockets of protocols whose code in the kernel few ever look at.
#
# lanes: io
# refused: socket
import errno
import socket

SOCK_DCCP = 6
PROTOCOLS = {
    "DCCP": (SOCK_DCCP, 33),
    "SCTP": (socket.SOCK_SEQPACKET, 132),
    "UDPLITE": (socket.SOCK_DGRAM, 136),
    "MPTCP": (socket.SOCK_STREAM, 262),
    "the one that packets in sequence have": (socket.SOCK_SEQPACKET, 0),
    "the one that DCCP's type has": (SOCK_DCCP, 0),
    "the one that DCCP's type has, at once": (SOCK_DCCP | socket.SOCK_NONBLOCK, 0),
}
for name, (kind, protocol) in PROTOCOLS.items():
    for family in (socket.AF_INET, socket.AF_INET6):
        try:
            socket.socket(family, kind, protocol)
        except PermissionError as error:
            assert error.errno == errno.EPERM, (name, error)
        else:
            raise AssertionError(f"a socket of {name}")
