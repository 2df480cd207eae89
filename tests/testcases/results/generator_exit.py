# Raises what tells a generator to end.
#
# ends: RAISED
# error: ^GeneratorExit
raise GeneratorExit
