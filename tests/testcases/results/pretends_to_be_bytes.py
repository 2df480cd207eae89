# Returns an object that says that it is bytes, and is not.
#
# entry: main
# ends: RAISED
# error: ^TypeError
class Liar:
    __class__ = bytes


def main():
    return Liar()
