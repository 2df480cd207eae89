# Makes symbolic links to a place with a name as long as a page.
#
# ends: SCRATCH_LIMIT
# evidence: limit=scratch_files
import itertools
import os
import tempfile

folder = tempfile.TemporaryDirectory()  # gone when the task is
for number in itertools.count():
    os.symlink("x" * 4000, f"{folder.name}/{number}")
