# Has libc start threads that Python knows nothing of until no more can be started, and waits for all of them.
#
# ends.cpu: PROCESS_LIMIT
# ends.io: PROCESS_LIMIT INTERPRETER_LOST
# evidence.cpu: limit=processes
import ctypes

libc = ctypes.CDLL(None)
threads = []
error = 0
while error == 0:
    threads.append(ctypes.c_ulong())
    error = libc.pthread_create(ctypes.byref(threads[-1]), None, libc.sleep, ctypes.c_void_p(3))
for thread in threads[:-1]:
    libc.pthread_join(thread, None)
