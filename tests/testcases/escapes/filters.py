# Puts filters of its own over its system calls, and would be the one who answers those that they refuse.
#
# refused: seccomp prctl
import ctypes
import errno
import struct

SET_MODE_FILTER, GET_ACTION_AVAIL, NEW_LISTENER, PR_SET_SECCOMP = 1, 2, 8, 22
RETURN, ALLOW = 6, 0x7FFF0000
libc = ctypes.CDLL(None, use_errno=True)
instruction = ctypes.create_string_buffer(struct.pack("HBBI", RETURN, 0, 0, ALLOW), 8)
program = struct.pack("HxxxxxxP", 1, ctypes.addressof(instruction))
calls = {
    "with a listener": (317, SET_MODE_FILTER, NEW_LISTENER, program),
    "another": (317, SET_MODE_FILTER, 0, program),
    "what there is": (317, GET_ACTION_AVAIL, 0, struct.pack("I", ALLOW)),
    "by prctl": (157, PR_SET_SECCOMP, 2, program, 0, 0),
}
for name, arguments in calls.items():
    assert libc.syscall(*arguments) == -1 and ctypes.get_errno() == errno.EPERM, (name, ctypes.get_errno())
