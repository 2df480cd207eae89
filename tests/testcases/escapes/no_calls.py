# Calls the kernel by numbers that no call has, between them and far beyond the last one.
import ctypes
import errno

libc = ctypes.CDLL(None, use_errno=True)
for number in (400, 423, 600, 1000, 9999, 1 << 20, (1 << 30) - 1):
    assert libc.syscall(number, 0, 0, 0, 0, 0, 0) == -1, number
    assert ctypes.get_errno() == errno.EPERM, (number, ctypes.get_errno())
