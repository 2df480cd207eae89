# Moves memory between the machine's nodes: its own, and that of the first process of its slot.
#
# refused: mbind set_mempolicy get_mempolicy migrate_pages move_pages
import ctypes
import errno

libc = ctypes.CDLL(None, use_errno=True)
node = ctypes.c_ulong(1)
calls = {
    "mbind": (237, None, 0, 0, None, 0, 0),
    "set_mempolicy": (238, 2, ctypes.byref(node), 64),
    "get_mempolicy": (239, None, None, 0, None, 0),
    "migrate_pages": (256, 1, 64, ctypes.byref(node), ctypes.byref(node)),
    "move_pages": (279, 1, 0, None, None, None, 0),
}
for name, arguments in calls.items():
    assert libc.syscall(*arguments) == -1 and ctypes.get_errno() == errno.EPERM, (name, ctypes.get_errno())
