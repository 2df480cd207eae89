# Makes named pipes with the longest names there are.
#
# ends: SCRATCH_LIMIT
# evidence: limit=scratch_files
import itertools
import os
import tempfile

folder = tempfile.TemporaryDirectory()  # gone when the task is
for number in itertools.count():
    os.mkfifo(f"{folder.name}/{number:0255}")
