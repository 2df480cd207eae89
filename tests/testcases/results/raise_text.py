# Raises a text, which Python does not allow.
#
# ends: RAISED
# error: ^TypeError
raise "what it says"
