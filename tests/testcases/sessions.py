"""Tasks that leave something in their session's globals; run in one without a session, they leave nothing."""

import asyncio
import socket
import threading
import time

calls = globals().get("calls", 0)  # this source runs anew with each task, in the same globals


def count():
    global calls
    calls += 1
    return calls


async def count_async():
    global calls
    await asyncio.sleep(0)
    calls += 1
    return calls


def await_word():
    """Until a task beside this one says it."""
    global said
    said = threading.Event()
    said.wait()
    return word


def say_word(text):
    global word
    while "said" not in globals():
        time.sleep(0.001)
    word = text
    said.set()


def ring(port):
    with socket.create_connection(("127.0.0.1", port)):
        pass


class Rings:
    """Rings the test's doorbell when it is finalized, and then may not come to an end."""

    def __init__(self, port, then):
        self.port, self.then = port, then

    # By then the globals may be gone: what it needs are its defaults.
    def __del__(self, connect=socket.create_connection, sleep=time.sleep):
        connect(("127.0.0.1", self.port)).close()
        if self.then == "hang":
            sleep(3600)
        while self.then == "swallow":
            try:
                sleep(3600)
            except BaseException:
                pass


def leave(port, then="end"):
    global left
    left = Rings(port, then)


class Naps:
    """Lets go of the lock when it is finalized, for a moment."""

    def __del__(self, sleep=time.sleep):
        sleep(0.0002)


def leave_many(port, count):
    """So many that nap; then one that rings."""
    global left
    left = [Rings(port, "end"), *[Naps() for _ in range(count)]]  # finalized from the end


def leave_thread(port):
    """A thread that goes on in the session's globals when the task has ended, and rings from there."""

    def go_on():
        with socket.create_connection(("127.0.0.1", port)) as door:
            door.recv(1)
        ring(port)

    threading.Thread(target=go_on, daemon=True).start()
