# Traces the first process of its slot, and itself.
#
# refused: ptrace
import ctypes

PTRACE_TRACEME, PTRACE_ATTACH, PTRACE_SEIZE = 0, 16, 0x4206
libc = ctypes.CDLL(None, use_errno=True)
for request, pid in ((PTRACE_TRACEME, 0), (PTRACE_ATTACH, 1), (PTRACE_SEIZE, 1)):
    assert libc.ptrace(request, pid, None, None) == -1 and ctypes.get_errno() == 1, (request, ctypes.get_errno())
