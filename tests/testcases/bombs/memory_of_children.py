# Has a child that takes memory for ever, and raises once the kernel has ended it.
#
# subprocess: yes
# ends.cpu: RAISED MEMORY_LIMIT
# ends.io: RAISED INTERPRETER_LOST
import os

child = os.fork()
pieces = []
while child == 0:
    pieces.append(bytearray(1 << 20))
_, status = os.waitpid(child, 0)
raise ChildProcessError(f"ended with {os.waitstatus_to_exitcode(status)}")
