# Changes the environment that C code reads and Python does not look at again.
#
# lanes: cpu
import ctypes

libc = ctypes.CDLL(None)
for name, value in ((b"LD_PRELOAD", b"/tmp/none.so"), (b"MALLOC_PERTURB_", b"1"), (b"LEFT", b"behind")):
    assert libc.setenv(name, value, 1) == 0
