# Copies a program into a memory file and starts it from there, as a task that may start processes.
#
# subprocess: yes
import os

REFUSED, FAILED = 7, 8
program = os.memfd_create("program")
try:
    with open("/usr/bin/true", "rb") as file:
        os.write(program, file.read())
    child = os.fork()
    if child == 0:
        try:
            os.execve(program, ["true"], {})
        except PermissionError:
            os._exit(REFUSED)
        finally:
            os._exit(FAILED)
    _, status = os.waitpid(child, 0)
    assert os.waitstatus_to_exitcode(status) == REFUSED, os.waitstatus_to_exitcode(status)
finally:
    os.close(program)
