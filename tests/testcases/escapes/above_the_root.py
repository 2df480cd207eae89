# Climbs above its root by "..", from paths, from a descriptor of the root and through /proc.
import os
import threading

root = os.open("/", os.O_PATH)
above = os.open("../../..", os.O_PATH, dir_fd=root)
try:
    here = os.fstat(root)
    assert os.path.samestat(os.fstat(above), here), "a descriptor leads above the root"
finally:
    os.close(above)
    os.close(root)
for path in ("/..", "/../..", "/proc/self/root", "/proc/self/root/..", f"/proc/self/task/{threading.get_native_id()}/root"):
    assert os.path.samestat(os.stat(path), here), f"{path} leads above the root"
assert not os.path.lexists("/.old"), "the root that it was made from is there"
