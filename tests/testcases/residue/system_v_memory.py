# Makes shared memory, semaphores and a queue of messages of System V, which would outlive its process.
#
# refused: shmget semget msgget
import ctypes
import errno

IPC_PRIVATE, IPC_CREAT = 0, 0o1000
libc = ctypes.CDLL(None, use_errno=True)
calls = {
    "shmget": (29, IPC_PRIVATE, 1 << 20, IPC_CREAT | 0o600),
    "semget": (64, IPC_PRIVATE, 1, IPC_CREAT | 0o600),
    "msgget": (68, IPC_PRIVATE, IPC_CREAT | 0o600),
}
for name, arguments in calls.items():
    assert libc.syscall(*arguments) == -1 and ctypes.get_errno() == errno.EPERM, (name, ctypes.get_errno())
