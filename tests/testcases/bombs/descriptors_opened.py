# Opens the same device until it can open nothing more.
#
# ends: RAISED
# error: Errno 24
files = []
while True:
    files.append(open("/dev/null", "rb"))
