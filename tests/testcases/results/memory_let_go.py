# Returns a view of memory that it has let go of.
#
# entry: main
# ends: RAISED
# error: ^ValueError
def main():
    view = memoryview(b"bytes")
    view.release()
    return view
