# Unpacks one megabyte to a file of a gibibyte.
#
# ends.cpu: MEMORY_LIMIT
# ends.io: SCRATCH_LIMIT
# evidence.cpu: oom_kill
# evidence.io: limit=scratch\b
import gzip
import io
import shutil
import tempfile

member = gzip.compress(bytes(1 << 20))
folder = tempfile.TemporaryDirectory()  # gone when the task is
with gzip.open(io.BytesIO(member * 1024)) as packed, open(f"{folder.name}/unpacked", "wb") as unpacked:
    shutil.copyfileobj(packed, unpacked)
