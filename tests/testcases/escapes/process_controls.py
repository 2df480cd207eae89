# Changes by prctl what its process is to others: who may trace it, what tells of its parent's end, whose its orphans are.
#
# refused: prctl
import ctypes
import errno

CONTROLS = {
    "PR_SET_PDEATHSIG": (1, 0),
    "PR_SET_DUMPABLE": (4, 0),
    "PR_SET_TSC": (26, 2),
    "PR_TASK_PERF_EVENTS_DISABLE": (31, 0),
    "PR_MCE_KILL": (33, 0),
    "PR_SET_MM": (35, 1),
    "PR_SET_CHILD_SUBREAPER": (36, 0),
    "PR_SET_THP_DISABLE": (41, 1),
    "PR_SET_SPECULATION_CTRL": (53, 0),
    "PR_SET_IO_FLUSHER": (57, 1),
    "PR_SET_SYSCALL_USER_DISPATCH": (59, 0),
    "PR_SCHED_CORE": (62, 1),
    "PR_SET_PTRACER": (0x59616D61, -1),
}
libc = ctypes.CDLL(None, use_errno=True)
for name, (option, argument) in CONTROLS.items():
    assert libc.syscall(157, option, ctypes.c_long(argument), 0, 0, 0) == -1, f"{name} was set"
    assert ctypes.get_errno() == errno.EPERM, (name, ctypes.get_errno())
