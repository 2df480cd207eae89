# Ends its process with libc's exit, past Python and past gild. What was registered to run then would end it otherwise.
#
# ends.cpu: EXITED
# ends.io: EXITED INTERPRETER_LOST CRASHED
# evidence.cpu: exit_code=4\b
import ctypes

libc = ctypes.CDLL(None)
libc.on_exit(libc.abort, None)
libc.exit(4)
