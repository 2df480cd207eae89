# Becomes another program, which does not know the server.
#
# subprocess: yes
# ends: PROTOCOL_ERROR
import os

os.execv("/usr/bin/sleep", ["sleep", "3600"])
