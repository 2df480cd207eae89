# Raises a UnicodeDecodeError about a place that is not in its bytes.
#
# ends: RAISED
# error: ^UnicodeDecodeError
raise UnicodeDecodeError("utf-8", b"bytes", 1 << 40, -(1 << 40), "what it says")
