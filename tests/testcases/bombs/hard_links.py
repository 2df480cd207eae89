# Gives one empty file names until it can have no more.
#
# ends: SCRATCH_LIMIT
# evidence: limit=scratch_files
import itertools
import os
import tempfile

folder = tempfile.TemporaryDirectory()  # gone when the task is
first = f"{folder.name}/first"
open(first, "wb").close()
for number in itertools.count():
    os.link(first, f"{folder.name}/{number}")
