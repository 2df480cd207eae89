# Lifts the memory limit that it asked for itself, and takes more: its slot's control group knows of the limit, too.
#
# lanes: cpu
# memory: 16
# ends: MEMORY_LIMIT
# evidence: limit=memory allowed=16777216 .*oom_kill
import resource

most = resource.getrlimit(resource.RLIMIT_DATA)[1]
resource.setrlimit(resource.RLIMIT_DATA, (most, most))
hoard = bytearray(150 << 20)
hoard[:: 4096] = b"x" * len(hoard[:: 4096])
