# Connects to every local socket of the machine that has an abstract name, which no file stands for.
#
# lanes: io
import socket

with open("/proc/self/net/unix") as table:
    names = {line.split(maxsplit=7)[7].strip() for line in table if len(line.split(maxsplit=7)) == 8}
for name in sorted(name for name in names if name.startswith("@")):
    for kind in (socket.SOCK_STREAM, socket.SOCK_DGRAM, socket.SOCK_SEQPACKET):
        with socket.socket(socket.AF_UNIX, kind) as local:
            local.setblocking(False)
            try:
                local.connect("\0" + name[1:])
            except OSError:
                continue
            raise AssertionError(f"{name} was reached")
