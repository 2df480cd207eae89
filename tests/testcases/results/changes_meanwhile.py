# Returns a list that is emptied while it is encoded.
#
# entry: main
# ends: SUCCEEDED RAISED CRASHED
class Emptier(dict):
    def items(self):
        outer.clear()
        return []


outer = []


def main():
    outer.extend([Emptier(key="value"), "one", "two"])
    return outer
