# Raises an exception with the name of the one that stops tasks.
#
# ends: RAISED
# error: ^TaskStopped
class TaskStopped(BaseException):
    pass


raise TaskStopped
