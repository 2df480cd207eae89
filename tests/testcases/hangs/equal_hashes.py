# Fills a set with what all has one hash, so that each new one is compared with all the others.
#
# ends: TIMED_OUT
# wall: 300
# evidence: limit=wall
class Same:
    def __hash__(self):
        return 1


same = set()
while True:
    same.add(Same())
