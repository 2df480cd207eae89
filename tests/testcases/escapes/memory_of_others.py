# Reads and writes the memory of the first process of its slot.
#
# refused: process_vm_readv process_vm_writev
import ctypes
import errno
import struct

libc = ctypes.CDLL(None, use_errno=True)
buffer = ctypes.create_string_buffer(8)
here = struct.pack("PN", ctypes.addressof(buffer), 8)
there = struct.pack("PN", 0x400000, 8)
for number in (310, 311):
    assert libc.syscall(number, 1, here, 1, there, 1, 0) == -1, "it was reached"
    assert ctypes.get_errno() == errno.EPERM, ctypes.get_errno()
