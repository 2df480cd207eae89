# Mounts by the newer calls, which work on descriptors of mounts and of file systems.
#
# refused: open_tree move_mount fsopen fsconfig fsmount fspick mount_setattr
import ctypes
import errno

AT_FDCWD, OPEN_TREE_CLONE, FSCONFIG_CMD_CREATE, AT_RECURSIVE = -100, 1, 6, 0x8000
libc = ctypes.CDLL(None, use_errno=True)
attributes = ctypes.create_string_buffer(32)
calls = {
    "open_tree": (428, AT_FDCWD, b"/", OPEN_TREE_CLONE | AT_RECURSIVE),
    "move_mount": (429, AT_FDCWD, b"/tmp", AT_FDCWD, b"/usr/lib", 0),
    "fsopen": (430, b"proc", 0),
    "fsconfig": (431, 0, FSCONFIG_CMD_CREATE, None, None, 0),
    "fsmount": (432, 0, 0, 0),
    "fspick": (433, AT_FDCWD, b"/", 0),
    "mount_setattr": (442, AT_FDCWD, b"/", 0, attributes, 32),
}
for name, arguments in calls.items():
    assert libc.syscall(*arguments) == -1 and ctypes.get_errno() == errno.EPERM, (name, ctypes.get_errno())
