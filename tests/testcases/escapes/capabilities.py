# Takes capabilities, and keeps them for the programs that it would start.
#
# refused: capset prctl
import ctypes
import errno
import struct

PR_SET_KEEPCAPS, PR_SET_SECUREBITS, PR_CAP_AMBIENT, CAP_SYS_ADMIN = 8, 28, 47, 21
libc = ctypes.CDLL(None, use_errno=True)
everything = struct.pack("6I", *[0xFFFFFFFF] * 6)
calls = {
    "capset": (126, struct.pack("Ii", 0x20080522, 0), everything),
    "ambient": (157, PR_CAP_AMBIENT, 2, CAP_SYS_ADMIN, 0, 0),
    "keep": (157, PR_SET_KEEPCAPS, 1, 0, 0, 0),
    "bits": (157, PR_SET_SECUREBITS, 0, 0, 0, 0),
}
for name, arguments in calls.items():
    assert libc.syscall(*arguments) == -1 and ctypes.get_errno() == errno.EPERM, (name, ctypes.get_errno())
with open("/proc/thread-self/status") as status:
    sets = [line.split() for line in status if line.startswith("Cap")]
assert len(sets) == 5 and all(int(bits, 16) == 0 for _, bits in sets), sets
