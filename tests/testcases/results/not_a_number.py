# Returns what JSON has no word for.
#
# entry: main
# ends: RAISED
# error: ^ValueError
def main():
    return [float("inf"), float("nan")]
