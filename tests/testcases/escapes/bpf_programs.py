# Loads a BPF program and a map into the kernel.
#
# refused: bpf
import ctypes
import errno

BPF_MAP_CREATE, BPF_PROG_LOAD = 0, 5
libc = ctypes.CDLL(None, use_errno=True)
for command in (BPF_MAP_CREATE, BPF_PROG_LOAD):
    assert libc.syscall(321, command, bytes(128), 128) == -1, "it was loaded"
    assert ctypes.get_errno() == errno.EPERM, ctypes.get_errno()
