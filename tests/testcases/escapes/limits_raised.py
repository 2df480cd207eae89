# Raises its own resource limits, and changes those of the first process of its slot.
#
# refused: prlimit64
import resource

before = resource.getrlimit(resource.RLIMIT_NOFILE)
for name in ("CORE", "FSIZE", "NOFILE", "MEMLOCK", "MSGQUEUE", "RTPRIO", "SIGPENDING"):
    which = getattr(resource, "RLIMIT_" + name)
    try:
        resource.setrlimit(which, (resource.getrlimit(which)[0], resource.RLIM_INFINITY))
    except (ValueError, PermissionError):
        continue
    raise AssertionError(f"{name} was raised")
try:
    resource.prlimit(1, resource.RLIMIT_NOFILE, (0, 0))
except PermissionError:
    pass
else:
    raise AssertionError("another's was changed")
assert resource.getrlimit(resource.RLIMIT_NOFILE) == before
