# Waits for the end of its own process, which is not its child.
#
# ends: RAISED
# error: ^ChildProcessError
import os

os.waitpid(os.getpid(), 0)
