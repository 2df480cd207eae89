# Warns for ever, each time of something else.
#
# ends: OUTPUT_LIMIT
# evidence: limit=output
# overflow: end
import itertools
import warnings

for number in itertools.count():
    warnings.warn(f"number {number}")
