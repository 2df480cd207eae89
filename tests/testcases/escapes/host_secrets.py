# Reads the machine's secrets: its passwords and keys, and the folders of root, of people and of programs.
import errno
import os

FILES = (
    "/etc/shadow",
    "/etc/gshadow",
    "/etc/sudoers",
    "/etc/machine-id",
    "/etc/ssh/ssh_host_ed25519_key",
    "/root/.ssh/id_rsa",
    "/root/.bash_history",
    "/proc/self/root/etc/shadow",
)
FOLDERS = ("/", "/etc", "/root", "/home", "/var", "/run", "/boot", "/opt", "/srv", "/mnt", "/sys")


def meets(action, path):
    try:
        action(path)
    except OSError as error:
        return error.errno


for action, paths in ((open, FILES), (os.listdir, FOLDERS)):
    for path in paths:
        assert meets(action, path) in (errno.ENOENT, errno.EACCES), f"{path} was read"
