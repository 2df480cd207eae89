# Tells of its progress with a million arguments.
#
# ends: RAISED
# error: ^TypeError
import gild

gild.progress(*range(1_000_000))
