# Becomes another program, which ends well at once.
#
# subprocess: yes
# ends.cpu: EXITED PROTOCOL_ERROR
# ends.io: INTERPRETER_LOST PROTOCOL_ERROR
import os

os.execv("/usr/bin/true", ["true"])
