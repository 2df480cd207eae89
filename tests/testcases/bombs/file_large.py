# Writes one file for ever.
#
# ends.cpu: MEMORY_LIMIT
# ends.io: SCRATCH_LIMIT
# evidence.cpu: oom_kill
# evidence.io: limit=scratch\b
import tempfile

folder = tempfile.TemporaryDirectory()  # gone when the task is
with open(f"{folder.name}/large", "wb") as file:
    while True:
        file.write(bytes(1 << 20))
