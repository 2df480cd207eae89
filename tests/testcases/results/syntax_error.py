# Raises a SyntaxError with numbers for texts and texts for numbers.
#
# ends: RAISED
# error: SyntaxError
error = SyntaxError("what it says")
error.filename, error.text, error.msg = 1, 2, 3
error.lineno, error.offset, error.end_offset = "four", "five", "six"
raise error
