# Makes symbolic links in its scratch that lead out of it, and reads through them.
import os
import tempfile

TARGETS = (
    "/etc/shadow",
    "../../../../../etc/shadow",
    "/proc/self/root/etc/shadow",
    "/proc/1/root/etc/shadow",
    "/proc/1/environ",
)

with tempfile.TemporaryDirectory() as folder:
    for number, target in enumerate(TARGETS):
        link = f"{folder}/{number}"
        os.symlink(target, link)
        try:
            open(link)
        except FileNotFoundError:
            continue
        raise AssertionError(f"{target} was opened")
