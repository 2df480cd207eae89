# Closes every descriptor, and with them the channel to its server.
#
# ends: PROTOCOL_ERROR INTERPRETER_LOST
# prints: ^before
import os

print("before")
os.closerange(0, 4096)
