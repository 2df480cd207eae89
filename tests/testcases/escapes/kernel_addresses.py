# Looks for addresses of the machine's memory and of the kernel's code in its files in /proc.
import ctypes
import mmap
import struct

PRESENT, FRAME = 1 << 63, (1 << 55) - 1
page = mmap.mmap(-1, mmap.PAGESIZE)
page[0] = 1
address = ctypes.addressof(ctypes.c_char.from_buffer(page))
with open("/proc/self/pagemap", "rb", buffering=0) as pagemap:
    pagemap.seek(address // mmap.PAGESIZE * 8)
    (entry,) = struct.unpack("Q", pagemap.read(8))
assert entry & PRESENT and not entry & FRAME, hex(entry)
try:
    with open("/proc/self/stack") as stack:
        read = stack.read()
except (PermissionError, FileNotFoundError):
    read = ""
assert read == "", read
