# Watches the whole machine by the kernel's performance events.
#
# refused: perf_event_open
import ctypes
import errno
import struct

libc = ctypes.CDLL(None, use_errno=True)
attributes = struct.pack("IIQ", 1, 128, 0).ljust(128, b"\0")
for pid, core in ((-1, 0), (0, -1)):
    assert libc.syscall(298, attributes, pid, core, -1, 0) == -1, "it is watched"
    assert ctypes.get_errno() == errno.EPERM, ctypes.get_errno()
