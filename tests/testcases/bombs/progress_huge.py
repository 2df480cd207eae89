# Tells of its progress with a number of ten million bits.
#
# ends: RAISED
# error: ^ValueError
import gild

gild.progress(1 << 10_000_000)
