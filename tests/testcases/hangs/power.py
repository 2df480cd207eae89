# Raises a number to a huge power, one multiplication after the other inside C.
#
# ends: TIMED_OUT
# wall: 300
# evidence: limit=wall
exponent = 10**9
power = 3**exponent
