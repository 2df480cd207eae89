# Waits for a pipe that nobody writes to.
#
# ends: TIMED_OUT
# wall: 300
# evidence: limit=wall
import os
import select

reading, writing = os.pipe()
with open(reading, "rb") as pipe, open(writing, "wb"):
    select.select([pipe], [], [])
