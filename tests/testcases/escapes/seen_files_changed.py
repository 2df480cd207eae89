# Changes what it sees of the machine's files: writes, makes, renames, removes, cuts and closes them.
import errno
import os

ACTIONS = {
    "write": lambda: open("/usr/lib/os-release", "a"),
    "make": lambda: open("/usr/lib/made", "w"),
    "make a library that is always loaded": lambda: open("/etc/ld.so.preload", "w"),
    "make a folder at the root": lambda: os.mkdir("/made"),
    "rename": lambda: os.rename("/etc/passwd", "/etc/renamed"),
    "remove": lambda: os.remove("/usr/lib/os-release"),
    "cut": lambda: os.truncate("/etc/passwd", 0),
    "close": lambda: os.chmod("/usr/lib/os-release", 0),
    "date": lambda: os.utime("/etc/passwd"),
}


def meets(action):
    try:
        action()
    except OSError as error:
        return error.errno


for name, action in ACTIONS.items():
    assert meets(action) in (errno.EACCES, errno.EPERM, errno.EROFS), name
