"""Tasks that tell something while they run; the test hears it before it lets them go on."""

import asyncio
import concurrent.futures
import socket
import sys
import threading

import gild


def knock(port):
    with socket.create_connection(("127.0.0.1", port)) as door:
        door.recv(1)


def print_twice(port):
    print("before")
    print("an error", file=sys.stderr)
    knock(port)
    print("after")
    return "the result"


def print_and_spin(text):
    print(text)
    while True:
        pass


def print_and_crash(text):
    import ctypes

    print(text)
    ctypes.string_at(0)


def print_much(port, lines):
    """In lines of a hundred bytes, each another."""
    knock(port)
    for line in range(lines):
        print(f"{line:099}")


def tell(port):
    gild.progress(3, 10)
    knock(port)
    gild.progress(10, 10)


def tell_from_a_thread(port):
    thread = threading.Thread(target=gild.progress, args=(1, 4))
    thread.start()
    thread.join()
    knock(port)
    with concurrent.futures.ThreadPoolExecutor(4) as pool:
        list(pool.map(gild.progress, [4] * 100, [4] * 100))


async def tell_from_a_coroutine(port):
    gild.progress(1, 3)
    await asyncio.to_thread(knock, port)
    await asyncio.to_thread(gild.progress, 2, 3)
    gild.progress(3, 3)


def tell_nonsense():
    for arguments in ((-1,), (1, -1), (2**64,)):
        try:
            gild.progress(*arguments)
        except ValueError:
            continue
        raise AssertionError(arguments)
    try:
        gild.progress(0.5)
    except TypeError:
        return
    raise AssertionError("a half")


def break_gild():
    gild.progress = None
    vars(gild).clear()
    sys.modules["gild"] = None


def tell_and_fork():
    """A process that the task forked is not the task."""
    import os

    gild.progress(1, 2)
    child = os.fork()
    if child == 0:
        gild.progress(2, 2)
        print("from the child")
        os._exit(0)
    os.waitpid(child, 0)
