# Asks its user namespace for the one above it, and for whose they are.
#
# refused: ioctl
import fcntl
import os

NS_GET_USERNS, NS_GET_PARENT, NS_GET_OWNER_UID = 0xB701, 0xB702, 0xB704
for name in ("user", "pid", "net"):
    namespace = os.open(f"/proc/self/ns/{name}", os.O_RDONLY)
    try:
        for request in (NS_GET_USERNS, NS_GET_PARENT, NS_GET_OWNER_UID):
            try:
                fcntl.ioctl(namespace, request, bytes(4))
            except PermissionError:
                continue
            raise AssertionError(f"{name}: {request:#x} was answered")
    finally:
        os.close(namespace)
