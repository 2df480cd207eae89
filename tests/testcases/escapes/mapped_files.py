# Opens the files that are mapped in its process, libraries and programs, past their names.
import os

refused = 0
for name in os.listdir("/proc/self/map_files"):
    try:
        os.close(os.open(f"/proc/self/map_files/{name}", os.O_RDONLY))
    except FileNotFoundError:
        continue  # it is not mapped any more
    except PermissionError:
        refused += 1
    else:
        raise AssertionError(f"{name} was opened")
assert refused > 0, "no file is mapped"
