# Raises an exception whose text has halves of characters, and zeros.
#
# ends: RAISED
# error: ^ValueError: .*ud800
raise ValueError("\ud800 \x00 \udfff \U0010ffff")
