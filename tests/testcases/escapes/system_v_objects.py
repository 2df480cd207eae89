# Looks for others' shared memory, semaphores and queues of messages by their numbers, and takes from them.
#
# refused: shmat shmctl semop semctl msgrcv msgctl
import ctypes
import errno

SHM_STAT_ANY, SEM_STAT_ANY, MSG_STAT_ANY, IPC_NOWAIT = 15, 20, 13, 0o4000
libc = ctypes.CDLL(None, use_errno=True)
buffer = ctypes.create_string_buffer(256)
for number in range(4):
    calls = {
        "shmat": (30, number, None, 0),
        "shmctl": (31, number, SHM_STAT_ANY, buffer),
        "semop": (65, number, bytes(6), 1),
        "semctl": (66, number, 0, SEM_STAT_ANY, buffer),
        "msgrcv": (70, number, buffer, 8, 0, IPC_NOWAIT),
        "msgctl": (71, number, MSG_STAT_ANY, buffer),
    }
    for name, arguments in calls.items():
        assert libc.syscall(*arguments) == -1 and ctypes.get_errno() == errno.EPERM, (name, ctypes.get_errno())
