# Writes to stderr for ever, byte by byte.
#
# ends: OUTPUT_LIMIT
# evidence: limit=output
# overflow: end
import sys

while True:
    sys.stderr.buffer.write(b"x")
