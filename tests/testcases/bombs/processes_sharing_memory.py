# Starts processes that share its own memory, which cost next to nothing, until no more can be started.
#
# lanes: cpu
# subprocess: yes
# ends: PROCESS_LIMIT
# evidence: limit=processes
import ctypes
import signal

CLONE_VM = 0x100
STACK_BYTES = 16384
libc = ctypes.CDLL(None)
stacks = []
child = 0
while child != -1:
    stacks.append(ctypes.create_string_buffer(STACK_BYTES))
    top = (ctypes.addressof(stacks[-1]) + STACK_BYTES) & ~15
    child = libc.clone(libc.sleep, ctypes.c_void_p(top), CLONE_VM | signal.SIGCHLD, ctypes.c_void_p(3600))
