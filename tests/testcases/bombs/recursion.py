# Calls itself without end.
#
# ends: RAISED
# error: ^RecursionError
def again():
    again()


again()
