# Traces a child of its own, by which the system calls of that child could be changed after the filter has seen them.
#
# subprocess: yes
# refused: ptrace process_vm_readv
import ctypes
import errno
import subprocess

PTRACE_ATTACH, PTRACE_SEIZE = 16, 0x4206
libc = ctypes.CDLL(None, use_errno=True)
child = subprocess.Popen(["sleep", "60"])
try:
    for request in (PTRACE_ATTACH, PTRACE_SEIZE):
        assert libc.syscall(101, request, child.pid, None, None) == -1, "it is traced"
        assert ctypes.get_errno() == errno.EPERM, ctypes.get_errno()
    assert libc.syscall(310, child.pid, None, 0, None, 0, 0) == -1, "it is read"
    assert ctypes.get_errno() == errno.EPERM, ctypes.get_errno()
finally:
    child.kill()
    child.wait()
