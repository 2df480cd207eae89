# Becomes root, and a member of root's group.
#
# refused: setuid setgid setgroups setreuid setregid setresuid setresgid
import errno
import os

ATTEMPTS = {
    "setuid": lambda: os.setuid(0),
    "setgid": lambda: os.setgid(0),
    "setgroups": lambda: os.setgroups([0]),
    "setreuid": lambda: os.setreuid(0, 0),
    "setregid": lambda: os.setregid(0, 0),
    "setresuid": lambda: os.setresuid(0, 0, 0),
    "setresgid": lambda: os.setresgid(0, 0, 0),
}
for name, attempt in ATTEMPTS.items():
    try:
        attempt()
    except PermissionError as error:
        assert error.errno == errno.EPERM, (name, error)
    else:
        raise AssertionError(f"{name} was allowed")
assert os.getresuid() == os.getresgid() == (1000, 1000, 1000), os.getresuid()
