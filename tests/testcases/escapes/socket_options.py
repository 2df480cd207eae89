# Sets options of its sockets that are for administrators: marks, more memory than others, others' addresses.
#
# lanes: io
import socket

SO_DEBUG, SO_SNDBUFFORCE, SO_RCVBUFFORCE, SO_MARK, IP_TRANSPARENT, TCP_REPAIR = 1, 32, 33, 36, 19, 19
OPTIONS = (
    (socket.SOL_SOCKET, SO_DEBUG),
    (socket.SOL_SOCKET, SO_SNDBUFFORCE),
    (socket.SOL_SOCKET, SO_RCVBUFFORCE),
    (socket.SOL_SOCKET, SO_MARK),
    (socket.IPPROTO_IP, IP_TRANSPARENT),
    (socket.IPPROTO_TCP, TCP_REPAIR),
)
with socket.socket() as tcp:
    for level, option in OPTIONS:
        try:
            tcp.setsockopt(level, option, 1)
        except PermissionError:
            continue
        raise AssertionError(f"option {option} of {level} was set")
