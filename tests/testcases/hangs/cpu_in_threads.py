# Computes in several threads, which share one limit on processor time.
#
# lanes: cpu
# ends: CPU_LIMIT
# cpu: 200
# evidence: limit=cpu
import threading


def spin():
    while True:
        pass


threads = [threading.Thread(target=spin) for _ in range(4)]
for thread in threads:
    thread.start()
