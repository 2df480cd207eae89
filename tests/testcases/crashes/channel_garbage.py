# Writes to every socket that it finds open in its process; one is the channel to its server.
#
# ends: PROTOCOL_ERROR
import contextlib
import os
import stat

for descriptor in map(int, os.listdir("/proc/self/fd")):
    with contextlib.suppress(OSError):
        if stat.S_ISSOCK(os.fstat(descriptor).st_mode):
            os.write(descriptor, b"\xff" * 64)
