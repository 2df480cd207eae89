# Makes files of one byte until no more can be made, and goes on as if nothing had happened.
#
# ends: SCRATCH_LIMIT
# evidence: limit=scratch_files
import itertools
import tempfile

folder = tempfile.TemporaryDirectory()  # gone when the task is
try:
    for number in itertools.count():
        with open(f"{folder.name}/{number}", "wb") as file:
            file.write(b"x")
except OSError:
    pass
