# Prints every byte there is, and half of a character.
#
# ends: SUCCEEDED
import sys

print("\ud800")
sys.stdout.buffer.write(bytes(range(256)) * 16)
