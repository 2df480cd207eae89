# Listens for good to all that the interpreter does: which files are opened, which code is compiled.
#
# lanes: cpu
import sys


def listen(event, arguments, heard=set()):
    heard.add(event)


sys.addaudithook(listen)
