# Advises the kernel about the memory of the first process of its slot: to page it out, to let go of it.
import ctypes
import errno

MADV_PAGEOUT = 21
libc = ctypes.CDLL(None, use_errno=True)
for number, arguments in ((440, (0, None, 0, MADV_PAGEOUT, 0)), (448, (0, 0))):
    assert libc.syscall(number, *arguments) == -1, number
    assert ctypes.get_errno() == errno.ENOSYS, (number, ctypes.get_errno())
