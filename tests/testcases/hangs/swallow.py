# Takes every exception, the stop among them, for a reason to go on.
#
# ends: TIMED_OUT
# wall: 300
# evidence: limit=wall
while True:
    try:
        while True:
            pass
    except BaseException:
        continue
