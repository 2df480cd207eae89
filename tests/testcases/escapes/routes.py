# Changes the machine's routes and addresses by the netlink socket that it may have to read them.
#
# lanes: io
import errno
import socket
import struct

RTM_DELADDR, RTM_DELROUTE, NLMSG_ERROR = 21, 25, 2
REQUEST_AND_ACKNOWLEDGE = 1 | 4
NOBODYS = socket.inet_aton("203.0.113.0")  # for documentation: there is no such route, nor such an address
destination = struct.pack("HH4s", 8, 1, NOBODYS)
messages = {
    RTM_DELROUTE: struct.pack("8BI", socket.AF_INET, 24, 0, 0, 254, 0, 0, 0, 0) + destination,
    RTM_DELADDR: struct.pack("4BI", socket.AF_INET, 24, 0, 0, 1) + destination,
}
with socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, 0) as netlink:
    for kind, message in messages.items():
        netlink.send(struct.pack("IHHII", 16 + len(message), kind, REQUEST_AND_ACKNOWLEDGE, 1, 0) + message)
        answer, error = struct.unpack_from("4xH10xi", netlink.recv(4096))
        assert answer == NLMSG_ERROR and error == -errno.EPERM, (kind, answer, error)
