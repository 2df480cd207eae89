# Prints for ever where what is too much is only cut.
#
# ends: TIMED_OUT
# wall: 300
# evidence: limit=wall
# prints: ^on and on
while True:
    print("on and on")
