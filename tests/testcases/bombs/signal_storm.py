# Has threads that signal its main thread as fast as they can.
#
# lanes: cpu
# ends: SUCCEEDED
import signal
import threading
import time

main = threading.get_ident()
end = time.monotonic() + 0.5
signal.signal(signal.SIGUSR1, lambda *_: None)


def storm():
    while time.monotonic() < end:
        signal.pthread_kill(main, signal.SIGUSR1)


threads = [threading.Thread(target=storm) for _ in range(4)]
for thread in threads:
    thread.start()
for thread in threads:
    thread.join()
