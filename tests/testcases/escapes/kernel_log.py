# Reads the kernel's log, and clears it.
#
# refused: syslog
import ctypes
import errno

READ_ALL, CLEAR, SIZE_UNREAD = 3, 5, 9
libc = ctypes.CDLL(None, use_errno=True)
buffer = ctypes.create_string_buffer(4096)
for action in (READ_ALL, CLEAR, SIZE_UNREAD):
    assert libc.syscall(103, action, buffer, len(buffer)) == -1, buffer.value
    assert ctypes.get_errno() == errno.EPERM, ctypes.get_errno()
