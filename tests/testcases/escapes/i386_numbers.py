# Calls the kernel by the gate of 32-bit programs, where other calls have the numbers that the filter allows.
#
# ends: CRASHED
# ends.io: INTERPRETER_LOST CRASHED
# evidence: signal=(31|11)
import ctypes
import mmap

GETPID = bytes.fromhex("b814000000 cd80 c3")  # mov eax, 20; int 0x80; ret
code = mmap.mmap(-1, mmap.PAGESIZE, prot=mmap.PROT_READ | mmap.PROT_WRITE | mmap.PROT_EXEC)
code.write(GETPID)
ctypes.CFUNCTYPE(ctypes.c_int)(ctypes.addressof(ctypes.c_char.from_buffer(code)))()
