# Tries calls that kernels had once and that nobody uses.
#
# refused: uselib ustat sysfs _sysctl create_module nfsservctl lookup_dcookie remap_file_pages
import ctypes
import errno

CALLS = {
    "uselib": 134,
    "ustat": 136,
    "sysfs": 139,
    "_sysctl": 156,
    "create_module": 174,
    "nfsservctl": 180,
    "lookup_dcookie": 212,
    "remap_file_pages": 216,
}
libc = ctypes.CDLL(None, use_errno=True)
for name, number in CALLS.items():
    assert libc.syscall(number, 0, 0, 0, 0, 0) == -1 and ctypes.get_errno() == errno.EPERM, (name, ctypes.get_errno())
