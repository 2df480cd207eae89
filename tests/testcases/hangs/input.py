# Asks for input, which nobody gives.
#
# ends: RAISED
# error: ^(EOFError|RuntimeError)
input("Well? ")
