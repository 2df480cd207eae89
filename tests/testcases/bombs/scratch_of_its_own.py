# Writes more than its own limit on files, to a file and as shared memory by name, and goes on as if nothing had happened.
#
# lanes: cpu
# scratch: 1
# ends: SCRATCH_LIMIT
# evidence: limit=scratch allowed=1048576 
with open("/dev/shm/memory", "wb", buffering=0) as memory:
    memory.write(bytes(1 << 19))
written = 0
try:
    with open("large", "wb", buffering=0) as file:
        while written < 64 << 20:
            written += file.write(bytes(1 << 16))
except OSError:
    pass
assert written == 1 << 19, written
