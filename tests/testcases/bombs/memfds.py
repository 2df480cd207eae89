# Makes files in memory until it can make no more, with a little in each.
#
# ends: RAISED
# error: Errno 24
import os

files = []
while True:
    files.append(open(os.memfd_create("little"), "wb", buffering=0))
    files[-1].write(b"x")
