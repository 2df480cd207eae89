# Opens files by their handles, which need no path and so pass every root.
#
# refused: name_to_handle_at open_by_handle_at
import ctypes
import errno
import struct

AT_FDCWD = -100
libc = ctypes.CDLL(None, use_errno=True)
handle = ctypes.create_string_buffer(struct.pack("Ii8s", 8, 1, (2).to_bytes(8, "little")), 128)  # inode 2: a root
mount = ctypes.c_int()
assert libc.syscall(303, AT_FDCWD, b"/tmp", handle, ctypes.byref(mount), 0) == -1, "a handle was made"
assert ctypes.get_errno() == errno.EPERM, ctypes.get_errno()
assert libc.syscall(304, AT_FDCWD, handle, 0) == -1, "a handle was opened"
assert ctypes.get_errno() == errno.EPERM, ctypes.get_errno()
