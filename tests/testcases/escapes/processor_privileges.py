# Asks for the processor's privileges: its I/O ports, and segments of its own making.
#
# refused: iopl ioperm modify_ldt set_thread_area
import ctypes
import errno
import struct

libc = ctypes.CDLL(None, use_errno=True)
segment = struct.pack("4I", 0, 0, 0xFFFFF, 0x51)
calls = {
    "iopl": (172, 3),
    "ioperm": (173, 0x70, 2, 1),
    "modify_ldt": (154, 1, segment, len(segment)),
    "set_thread_area": (205, segment),
}
for name, arguments in calls.items():
    assert libc.syscall(*arguments) == -1 and ctypes.get_errno() == errno.EPERM, (name, ctypes.get_errno())
