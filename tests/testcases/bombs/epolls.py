# Makes epoll sets until it can make no more.
#
# ends: RAISED
# error: Errno 24
import select

sets = []
while True:
    sets.append(select.epoll())
