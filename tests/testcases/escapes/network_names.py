# Reads the files that say what the machine's network is called, in the lane that has no network.
#
# lanes: cpu
for path in ("/etc/hosts", "/etc/resolv.conf", "/etc/nsswitch.conf", "/etc/services", "/etc/ssl/openssl.cnf"):
    try:
        open(path)
    except (PermissionError, FileNotFoundError):
        continue
    raise AssertionError(f"{path} was read")
