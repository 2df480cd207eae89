# Looks up the machine's connections, routes and local sockets in the tables in /proc, in the lane that has no network.
#
# lanes: cpu
for name in ("tcp", "tcp6", "udp", "udp6", "raw", "route", "arp"):
    try:
        with open(f"/proc/self/net/{name}") as table:
            lines = table.read().splitlines()
    except FileNotFoundError:
        continue  # not of this kernel
    assert len(lines) <= 1, (name, lines)  # its head
with open("/proc/self/net/unix") as table:
    named = [line for line in table if len(line.split()) > 7]
assert len(named) <= 1, named
