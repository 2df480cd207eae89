# Has a child that crashes, and is well itself.
#
# subprocess: yes
# ends: SUCCEEDED
import ctypes
import os
import signal

child = os.fork()
if child == 0:
    ctypes.string_at(0)
_, status = os.waitpid(child, 0)
assert os.waitstatus_to_exitcode(status) == -signal.SIGSEGV, status
