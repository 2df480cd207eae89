# Computes nothing for ever.
#
# ends: TIMED_OUT
# wall: 300
# evidence: limit=wall
while True:
    pass
