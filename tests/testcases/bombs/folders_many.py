# Makes folders side by side until no more can be made, and leaves them there.
#
# lanes: cpu
# ends: SCRATCH_LIMIT
# evidence: limit=scratch_files
import itertools
import os

for number in itertools.count():
    os.mkdir(f"folder{number}")
