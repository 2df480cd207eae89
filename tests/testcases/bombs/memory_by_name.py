# Fills shared memory that has a name for a moment.
#
# ends.cpu: MEMORY_LIMIT
# ends.io: SCRATCH_LIMIT
# evidence.cpu: oom_kill
# evidence.io: limit=scratch\b
import _posixshmem
import os

memory = open(_posixshmem.shm_open("/hoard", os.O_CREAT | os.O_RDWR, mode=0o600), "wb", buffering=0)
_posixshmem.shm_unlink("/hoard")
while True:
    memory.write(bytes(1 << 20))
