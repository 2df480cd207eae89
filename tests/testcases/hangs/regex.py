# Matches a pattern that takes years to fail, inside C.
#
# ends: TIMED_OUT
# wall: 300
# evidence: limit=wall
import re

re.match(r"(a+)+$", "a" * 60 + "b")
