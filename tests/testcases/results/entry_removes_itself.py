# Empties its own module while it runs, and returns something.
#
# entry: main
# ends: SUCCEEDED
def main():
    globals().clear()
    return "gone"
