# Raises a SyntaxError in a column so far away that to point at it takes half a gibibyte.
#
# ends.cpu: RAISED MEMORY_LIMIT
# ends.io: RAISED INTERPRETER_LOST
raise SyntaxError("what it says", ("file", 1, 1, "text", 1, 1 << 29))
