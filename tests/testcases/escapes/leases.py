# Takes leases on files that others use, and asks for notice of what they do to them.
#
# refused: fcntl
import fcntl
import os

file = os.open("/usr/lib/os-release", os.O_RDONLY)
folder = os.open("/usr/lib", os.O_RDONLY)
try:
    attempts = ((file, fcntl.F_SETLEASE, fcntl.F_RDLCK), (folder, fcntl.F_NOTIFY, fcntl.DN_ACCESS))
    for descriptor, command, argument in attempts:
        try:
            fcntl.fcntl(descriptor, command, argument)
        except PermissionError:
            continue
        raise AssertionError(f"{command} was done")
finally:
    os.close(file)
    os.close(folder)
