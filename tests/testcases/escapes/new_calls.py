# Tries calls that are newer than the filter's names for them.
import ctypes
import errno

CALLS = {
    "statmount": 457,
    "listmount": 458,
    "lsm_get_self_attr": 459,
    "lsm_set_self_attr": 460,
    "lsm_list_modules": 461,
    "setxattrat": 463,
    "open_tree_attr": 467,
    "file_setattr": 469,
}
libc = ctypes.CDLL(None, use_errno=True)
for name, number in CALLS.items():
    assert libc.syscall(number, 0, 0, 0, 0, 0) == -1 and ctypes.get_errno() == errno.EPERM, (name, ctypes.get_errno())
