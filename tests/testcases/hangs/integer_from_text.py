# Lifts the bound on the digits of a number, and reads one of ten million digits.
#
# ends: TIMED_OUT
# wall: 300
# evidence: limit=wall
import sys

sys.set_int_max_str_digits(0)
int("9" * 10_000_000)
