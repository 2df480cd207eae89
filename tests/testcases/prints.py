"""Tasks that print at the same time, in one interpreter."""

import concurrent.futures
import contextlib
import io
import socket
import sys
import threading


def meeting(name, parties):
    """One barrier for all tasks of this interpreter that use the same name."""
    return sys.__dict__.setdefault(f"gild test {name}", threading.Barrier(parties))


def together(number, parties, lines):
    meeting("prints", parties).wait()
    for line in range(lines):
        print("task", number, "line", line)
        print("task", number, "error", line, file=sys.stderr)


def from_threads(number, parties, threads, lines):
    """Prints from threads that the task starts: by hand, and by an executor."""
    meeting("threads", parties).wait()

    def say(thread):
        for line in range(lines):
            print(f"task {number} thread {thread} line {line}\n", end="")

    by_hand = [threading.Thread(target=say, args=(thread,)) for thread in range(threads)]
    for thread in by_hand:
        thread.start()
    with concurrent.futures.ThreadPoolExecutor(threads) as pool:
        list(pool.map(say, range(threads, 2 * threads)))
    for thread in by_hand:
        thread.join()


def redirect_and_ring(port):
    """Redirects its output while its neighbours print; leaves the stream replaced when it ends."""
    with contextlib.redirect_stdout(io.StringIO()) as mine:
        print("inside")
        thread = threading.Thread(target=print, args=("from a thread",))
        thread.start()
        thread.join()
        with socket.create_connection(("127.0.0.1", port)) as door:
            door.recv(1)
    print("outside")
    sys.stdout = io.StringIO()
    print("nowhere")
    return mine.getvalue()


def from_a_thread_of_a_thread():
    def outer():
        print("outer")
        inner = threading.Thread(target=print, args=("inner",))
        inner.start()
        inner.join()

    thread = threading.Thread(target=outer)
    thread.start()
    thread.join()


def leave_a_thread():
    """Ends while a thread of its own still waits."""
    threading.Thread(target=threading.Event().wait, daemon=True).start()
