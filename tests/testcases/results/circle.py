# Returns a list that is in itself.
#
# entry: main
# ends: RAISED
# error: ^ValueError
def main():
    circle = []
    circle.append(circle)
    return circle
