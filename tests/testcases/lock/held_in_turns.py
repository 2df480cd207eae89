# Has threads that take turns in sleeping in C with the lock, so that hardly anything is left of it.
#
# lanes: io
# ends: SUCCEEDED
import ctypes
import threading

usleep = ctypes.PyDLL(None).usleep


def hold():
    for _ in range(20):
        usleep(5000)


threads = [threading.Thread(target=hold) for _ in range(8)]
for thread in threads:
    thread.start()
for thread in threads:
    thread.join()
