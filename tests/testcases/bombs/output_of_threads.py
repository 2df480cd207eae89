# Has threads that print more than is allowed, all at once, and then prints itself.
#
# ends: OUTPUT_LIMIT
# evidence: limit=output
# overflow: end
import threading


def say():
    while True:
        print("x" * 999)


threads = [threading.Thread(target=say) for _ in range(16)]
for thread in threads:
    thread.start()
for thread in threads:
    thread.join()
print("and now")
