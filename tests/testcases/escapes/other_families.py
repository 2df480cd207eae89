# Opens sockets that are not the internet's: to the wire, the hypervisor, the kernel's ciphers, radio and buses.
#
# lanes: io
# refused: socket
import errno
import socket

FAMILIES = {
    "PACKET": 17,
    "VSOCK": 40,
    "ALG": 38,
    "BLUETOOTH": 31,
    "KEY": 15,
    "CAN": 29,
    "TIPC": 30,
    "XDP": 44,
    "RDS": 21,
    "NFC": 39,
    "KCM": 41,
    "QIPCRTR": 42,
    "SMC": 43,
}
for name, family in FAMILIES.items():
    for kind in (socket.SOCK_STREAM, socket.SOCK_DGRAM, socket.SOCK_RAW, socket.SOCK_SEQPACKET):
        try:
            socket.socket(family, kind, 0)
        except PermissionError as error:
            assert error.errno == errno.EPERM, (name, error)
        else:
            raise AssertionError(f"a socket of {name}")
