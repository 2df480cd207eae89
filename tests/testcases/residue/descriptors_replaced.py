# Puts /dev/null in place of files in /proc that the interpreter keeps open for itself.
#
# lanes: cpu
import contextlib
import os

null = os.open("/dev/null", os.O_RDWR)
for name in os.listdir("/proc/self/fd"):
    with contextlib.suppress(FileNotFoundError):  # the one that listed them
        if os.readlink(f"/proc/self/fd/{name}").startswith("/proc/"):
            os.dup2(null, int(name))
os.close(null)
