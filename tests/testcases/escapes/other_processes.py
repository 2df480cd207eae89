# Looks for processes of others, in /proc and by asking for each number.
#
# lanes: cpu
import os

listed = {int(name) for name in os.listdir("/proc") if name.isdigit()}
assert listed == {os.getpid()}, listed
for pid in range(2, 2000):
    if pid == os.getpid():
        continue
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        continue
    raise AssertionError(f"there is a process {pid}")
