# Returns a dictionary that gives out numbers for its items.
#
# entry: main
# ends: RAISED
# error: ^(ValueError|TypeError)
class Hostile(dict):
    def items(self):
        return [1, 2, 3]


def main():
    return Hostile(key="value")
