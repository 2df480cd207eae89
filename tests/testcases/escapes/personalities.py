# Takes another personality, in which addresses are no secret and the first page can be mapped.
#
# refused: personality
import ctypes
import errno

PERSONALITIES = {
    "ADDR_NO_RANDOMIZE": 0x40000,
    "READ_IMPLIES_EXEC": 0x400000,
    "MMAP_PAGE_ZERO": 0x100000,
    "UNAME26": 0x20000,
    "PER_LINUX32": 8,
}
libc = ctypes.CDLL(None, use_errno=True)
for name, personality in PERSONALITIES.items():
    assert libc.syscall(135, personality) == -1 and ctypes.get_errno() == errno.EPERM, (name, ctypes.get_errno())
assert libc.syscall(135, -1) == 0, "it has another personality"
