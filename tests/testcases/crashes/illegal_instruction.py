# Runs an instruction that no processor knows.
#
# ends: CRASHED
# evidence: signal=4\b
import ctypes
import mmap
import platform

UNKNOWN = b"\x0f\x0b" if platform.machine() == "x86_64" else bytes(4)
rights = mmap.PROT_READ | mmap.PROT_WRITE | mmap.PROT_EXEC
page = mmap.mmap(-1, mmap.PAGESIZE, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS, prot=rights)
page.write(UNKNOWN)
ctypes.CFUNCTYPE(None)(ctypes.addressof(ctypes.c_char.from_buffer(page)))()
