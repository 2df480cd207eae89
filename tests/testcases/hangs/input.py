# Asks for input, which nobody gives.
#
# ends: RAISED
# error: ^EOFError
input("Well? ")
