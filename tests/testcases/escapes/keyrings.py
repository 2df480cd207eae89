# Reads, adds and asks for keys of the kernel's keyrings, which know nothing of most namespaces.
#
# refused: add_key request_key keyctl
import ctypes
import errno

KEY_SPEC_USER_KEYRING, KEYCTL_READ = -4, 11
libc = ctypes.CDLL(None, use_errno=True)
calls = {
    "add_key": (248, b"user", b"name", b"payload", 7, KEY_SPEC_USER_KEYRING),
    "request_key": (249, b"user", b"name", None, KEY_SPEC_USER_KEYRING),
    "keyctl": (250, KEYCTL_READ, KEY_SPEC_USER_KEYRING, None, 0),
}
for name, arguments in calls.items():
    assert libc.syscall(*arguments) == -1 and ctypes.get_errno() == errno.EPERM, (name, ctypes.get_errno())
