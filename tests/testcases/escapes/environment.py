# Looks for what the server was told by its environment: keys, addresses, names.
import os

GIVEN = {"PATH", "LANG", "HOME", "OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS"}
with open("/proc/self/environ") as file:
    first = {entry.split("=")[0] for entry in file.read().split("\0") if entry}
for name in first | set(os.environ):
    assert name in GIVEN or name.endswith("SAN_OPTIONS"), f"{name} is told"
