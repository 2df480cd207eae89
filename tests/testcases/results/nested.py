# Returns lists in lists, a hundred thousand deep.
#
# entry: main
# ends: RAISED
# error: ^RecursionError
def main():
    outer = []
    for _ in range(100_000):
        outer = [outer]
    return outer
