# Leaves a thread behind that wants the lock all the time.
#
# lanes: io
# ends: SUCCEEDED
# warns: outlived the task
import threading


def spin():
    while True:
        pass


threading.Thread(target=spin, daemon=True).start()
