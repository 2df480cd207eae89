# Orders devices and file systems about by ioctl: entropy, flags of files, shared blocks, interfaces, watches.
#
# refused: ioctl
import fcntl
import os

REQUESTS = {
    "RNDADDENTROPY": 0x40085203,
    "RNDCLEARPOOL": 0x5206,
    "FS_IOC_SETFLAGS": 0x40086602,
    "FICLONE": 0x40049409,
    "FITRIM": 0xC0185879,
    "FIFREEZE": 0xC0045877,
    "FIDEDUPERANGE": 0xC0189436,
    "SIOCSIFFLAGS": 0x8914,
    "SIOCETHTOOL": 0x8946,
    "KVM_CREATE_VM": 0xAE01,
}
random = os.open("/dev/urandom", os.O_RDONLY)
try:
    for name, request in REQUESTS.items():
        try:
            fcntl.ioctl(random, request, bytes(64))
        except PermissionError:
            continue
        raise AssertionError(f"{name} was done")
finally:
    os.close(random)
