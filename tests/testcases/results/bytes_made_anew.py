# Returns bytes that turn into a number when they are asked for their bytes.
#
# entry: main
# ends: RAISED
# error: ^TypeError
class Hostile(bytes):
    def __bytes__(self):
        return 42


def main():
    return Hostile(b"bytes")
