# Ends its process with libc's exit, past Python and past gild.
#
# ends.cpu: EXITED
# ends.io: EXITED INTERPRETER_LOST CRASHED
# evidence.cpu: exit_code=4\b
import ctypes

ctypes.CDLL(None).exit(4)
