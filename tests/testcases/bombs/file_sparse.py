# Makes a file of one tebibyte in which there is nothing.
#
# ends: RAISED
# error: Errno 27
import tempfile

with tempfile.TemporaryFile() as file:
    file.truncate(1 << 40)
