# Returns a number with more digits than Python writes.
#
# entry: main
# ends: RAISED
# error: ^ValueError
def main():
    return 10**5000
