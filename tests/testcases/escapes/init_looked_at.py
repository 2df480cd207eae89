# Looks into the first process of its slot, which once was the server's: its memory, environment, files and root.
NAMES = "mem environ maps status cmdline exe cwd root root/etc/shadow fd/0 fd/3 ns/net ns/mnt mountinfo task/1/mem"

for name in NAMES.split():
    try:
        open(f"/proc/1/{name}")
    except FileNotFoundError:
        continue
    raise AssertionError(f"/proc/1/{name} was opened")
