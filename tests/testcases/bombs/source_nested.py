# Compiles an expression that is nested deeper than a parser can go.
#
# ends: RAISED
# error: MemoryError|RecursionError
compile("-" * 100_000 + "1", "nested", "eval")
