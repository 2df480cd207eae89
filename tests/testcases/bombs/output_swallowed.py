# Prints for ever, and takes the end that it has asked for as a reason to go on.
#
# ends: TIMED_OUT
# wall: 300
# evidence: limit=wall
# overflow: end
while True:
    try:
        print("x" * 99)
    except BaseException:
        pass
