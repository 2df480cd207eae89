# Tells of its progress from several threads as often as it can.
#
# ends: SUCCEEDED
import threading

import gild


def tell():
    for number in range(50_000):
        gild.progress(number, 50_000)


threads = [threading.Thread(target=tell) for _ in range(8)]
for thread in threads:
    thread.start()
for thread in threads:
    thread.join()
