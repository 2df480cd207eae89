# Manages the machine's disks: swap, quotas, accounting, and that all is written at once.
#
# refused: swapon swapoff quotactl quotactl_fd acct sync syncfs
import ctypes
import errno

libc = ctypes.CDLL(None, use_errno=True)
calls = {
    "swapon": (167, b"/tmp/swap", 0),
    "swapoff": (168, b"/dev/sda1"),
    "quotactl": (179, 0, b"/dev/sda1", 0, None),
    "quotactl_fd": (443, 0, 0, 0, None),
    "acct": (163, None),
    "sync": (162,),
    "syncfs": (306, 0),
}
for name, arguments in calls.items():
    assert libc.syscall(*arguments) == -1 and ctypes.get_errno() == errno.EPERM, (name, ctypes.get_errno())
