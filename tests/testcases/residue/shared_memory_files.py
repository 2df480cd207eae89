# Leaves shared memory and a semaphore, by their names.
#
# lanes: cpu
import ctypes
import os

SEMAPHORE_NAME = b"/left_behind"
libc = ctypes.CDLL(None, use_errno=True)
memory = libc.shm_open(b"/left_behind", os.O_RDWR | os.O_CREAT, 0o600)
assert memory >= 0, ctypes.get_errno()
os.ftruncate(memory, 1 << 20)
os.close(memory)
libc.sem_open.restype = ctypes.c_void_p
assert libc.sem_open(SEMAPHORE_NAME, os.O_CREAT, 0o600, 0), ctypes.get_errno()
assert len(os.listdir("/dev/shm")) == 2, os.listdir("/dev/shm")
