# Makes local sockets in the lane that has no network: by name, abstract, and pairs of another family.
#
# lanes: cpu
# refused: socket socketpair bind connect listen
import errno
import socket

AF_TIPC = 30
for make in (lambda: socket.socket(socket.AF_UNIX), lambda: socket.socketpair(AF_TIPC, socket.SOCK_STREAM)):
    try:
        make()
    except PermissionError as error:
        assert error.errno == errno.EPERM, error
    else:
        raise AssertionError("it has a socket")
one, other = socket.socketpair()
with one, other:
    for use in (lambda: one.bind("\0name"), lambda: one.connect("\0name"), lambda: one.listen()):
        try:
            use()
        except PermissionError as error:
            assert error.errno == errno.EPERM, error
        else:
            raise AssertionError("half a pair can be reached")
