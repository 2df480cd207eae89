# Leaves decimal numbers of two digits, and no exception for what cannot be computed.
import decimal

decimal.getcontext().prec = 2
decimal.getcontext().traps[decimal.DivisionByZero] = False
assert str(decimal.Decimal(1) / 3) == "0.33"
