# Makes rules of Landlock of its own, by which it could take the place of those that hold it.
#
# refused: landlock_create_ruleset landlock_add_rule landlock_restrict_self
import ctypes
import errno
import struct

libc = ctypes.CDLL(None, use_errno=True)
calls = {
    "create": (444, struct.pack("Q", 1), 8, 0),
    "version": (444, None, 0, 1),
    "add": (445, 0, 1, bytes(12), 0),
    "restrict": (446, 0, 0),
}
for name, arguments in calls.items():
    assert libc.syscall(*arguments) == -1 and ctypes.get_errno() == errno.EPERM, (name, ctypes.get_errno())
