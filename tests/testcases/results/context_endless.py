# Raises an exception that makes up another that it came of whenever it is asked.
#
# ends: TIMED_OUT
# wall: 300
# evidence: limit=wall
class Hostile(Exception):
    @property
    def __context__(self):
        made.append(Hostile())
        return made[-1]


made = []
raise Hostile
