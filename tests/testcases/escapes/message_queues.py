# Opens queues of messages by name, and makes one of System V, to speak with other slots.
#
# refused: mq_open mq_unlink msgget
import ctypes
import errno
import os

IPC_CREAT = 0o1000
libc = ctypes.CDLL(None, use_errno=True)
calls = {
    "mq_open": (240, b"queue", os.O_RDWR | os.O_CREAT, 0o666, None),
    "mq_unlink": (241, b"queue"),
    "msgget": (68, 0x67696C64, IPC_CREAT | 0o666),
}
for name, arguments in calls.items():
    assert libc.syscall(*arguments) == -1 and ctypes.get_errno() == errno.EPERM, (name, ctypes.get_errno())
