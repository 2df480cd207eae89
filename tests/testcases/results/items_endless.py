# Returns a dictionary with items without end.
#
# entry: main
# ends: TIMED_OUT
# wall: 300
# evidence: limit=wall
class Hostile(dict):
    def items(self):
        while True:
            yield


def main():
    return Hostile(key="value")
