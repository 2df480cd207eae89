# Raises an exception whose text never comes.
#
# ends: TIMED_OUT
# wall: 300
# evidence: limit=wall
class Hostile(Exception):
    def __str__(self):
        while True:
            pass


raise Hostile
