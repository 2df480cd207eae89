# Has threads that each fill a huge stack of their own and stay there.
#
# ends.cpu: MEMORY_LIMIT
# ends.io: INTERPRETER_LOST
# evidence.cpu: oom_kill
import ctypes
import threading

THREADS, GUARDED = 32, 1 << 20
libc = ctypes.CDLL(None)
threading.stack_size(512 << 20)
door = threading.Event()


def fill():
    """All of it but where the guard lies, below, and this very thread, above."""
    attributes = ctypes.create_string_buffer(64)
    base, size = ctypes.c_void_p(), ctypes.c_size_t()
    libc.pthread_getattr_np(ctypes.c_void_p(threading.get_ident()), attributes)
    libc.pthread_attr_getstack(attributes, ctypes.byref(base), ctypes.byref(size))
    ctypes.memset(base.value + GUARDED, 1, size.value - 2 * GUARDED)
    door.wait()


for _ in range(THREADS):
    threading.Thread(target=fill, daemon=True).start()
door.wait()
