# Watches what others do to files, and answers for whether they may.
#
# refused: inotify_init inotify_init1 fanotify_init
import ctypes
import errno

FAN_CLASS_CONTENT = 4
libc = ctypes.CDLL(None, use_errno=True)
calls = {
    "inotify_init": (253,),
    "inotify_init1": (294, 0),
    "fanotify_init": (300, FAN_CLASS_CONTENT, 0),
    "fanotify_init, without privileges": (300, 0x200, 0),
}
for name, arguments in calls.items():
    assert libc.syscall(*arguments) == -1 and ctypes.get_errno() == errno.EPERM, (name, ctypes.get_errno())
