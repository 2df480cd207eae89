"""Bad citizens that wait for ever, each in another blocking call that lets go of the lock: a stop must reach them all.

Given the port of the test's doorbell, each rings it as its last act before that call, and holds the lock from then on
until it is in the call. So, once it has rung, the lock being free says that the task is where it was meant to be.
"""

import contextlib
import ctypes
import fcntl
import os
import queue
import select
import signal
import socket
import struct
import subprocess
import tempfile
import threading
import time


def ring(port):
    if not port:
        return
    address = struct.pack("=H", socket.AF_INET) + struct.pack("!H", port) + socket.inet_aton("127.0.0.1") + bytes(8)
    # PyDLL, as a socket's connect() would let go of the lock. Nor is it closed, as that would too.
    ctypes.PyDLL(None).connect(socket.socket().detach(), address, len(address))


@contextlib.contextmanager
def new_pipe():
    ends = os.pipe()
    try:
        yield ends
    finally:
        for end in ends:
            os.close(end)


@contextlib.contextmanager
def new_child():
    child = subprocess.Popen(["sleep", "3600"])
    try:
        yield child
    finally:
        child.kill()
        child.wait()


def sleep(port=0):
    ring(port)
    time.sleep(3600)


def many_sleeps(port=0):
    ring(port)
    while True:
        time.sleep(0.001)


def recv(port=0):
    one, other = socket.socketpair()
    with one, other:
        ring(port)
        one.recv(1)


def read_file_of_socket(port=0):
    one, other = socket.socketpair()
    with one, other, one.makefile("rb") as file:
        ring(port)
        file.read(1)


def sendall(port=0):
    """To a peer that does not read: full after a little of it."""
    one, other = socket.socketpair()
    with one, other:
        data = bytes(16 << 20)
        ring(port)
        one.sendall(data)


def accept(port=0):
    with socket.create_server(("127.0.0.1", 0)) as listener:
        ring(port)
        listener.accept()


def read_pipe(port=0):
    with new_pipe() as (read_end, _):
        ring(port)
        os.read(read_end, 1)


def write_pipe(port=0):
    with new_pipe() as (_, write_end):
        os.write(write_end, bytes(fcntl.fcntl(write_end, fcntl.F_GETPIPE_SZ)))
        ring(port)
        os.write(write_end, b"1")


def open_fifo(port=0):
    with tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, "fifo")
        os.mkfifo(path)
        ring(port)
        os.close(os.open(path, os.O_RDONLY))


def flock(port=0):
    """The lock is another descriptor's."""
    with tempfile.NamedTemporaryFile() as one, open(one.name) as other:
        fcntl.flock(one, fcntl.LOCK_EX)
        ring(port)
        fcntl.flock(other, fcntl.LOCK_EX)


def lockf(port=0):
    """The lock is another process's."""
    with tempfile.TemporaryFile() as file, new_pipe() as (read_end, write_end):
        child = os.fork()
        if child == 0:
            fcntl.lockf(file, fcntl.LOCK_EX)
            os.write(write_end, b"1")
            signal.pause()
            os._exit(0)
        try:
            os.read(read_end, 1)
            ring(port)
            fcntl.lockf(file, fcntl.LOCK_EX)
        finally:
            os.kill(child, signal.SIGKILL)
            os.waitpid(child, 0)


def lock_acquire(port=0):
    lock = threading.Lock()
    lock.acquire()
    ring(port)
    lock.acquire()


def lock_acquire_with_timeout(port=0):
    lock = threading.Lock()
    lock.acquire()
    ring(port)
    lock.acquire(timeout=3600)


def event_wait(port=0):
    event = threading.Event()
    ring(port)
    event.wait()


def queue_get(port=0):
    empty = queue.Queue()
    ring(port)
    empty.get()


def join(port=0):
    forever = threading.Event()
    thread = threading.Thread(target=forever.wait, daemon=True)
    thread.start()
    try:
        ring(port)
        thread.join()
    finally:
        forever.set()


def select_wait(port=0):
    one, other = socket.socketpair()
    with one, other:
        ring(port)
        select.select([one], [], [])


def poll_wait(port=0):
    one, other = socket.socketpair()
    with one, other:
        poll = select.poll()
        poll.register(one, select.POLLIN)
        ring(port)
        poll.poll()


def epoll_wait(port=0):
    one, other = socket.socketpair()
    with one, other, select.epoll() as epoll:
        epoll.register(one, select.EPOLLIN)
        ring(port)
        epoll.poll()


def subprocess_wait(port=0):
    with new_child() as child:
        ring(port)
        child.wait()


def wait(port=0):
    with new_child():
        ring(port)
        os.wait()


def wait4(port=0):
    with new_child() as child:
        ring(port)
        os.wait4(child.pid, 0)


def waitid(port=0):
    with new_child() as child:
        ring(port)
        os.waitid(os.P_PID, child.pid, os.WEXITED)


def sigwait(port=0):
    ring(port)
    signal.sigwait([signal.SIGUSR1])


def sigtimedwait(port=0):
    ring(port)
    signal.sigtimedwait([signal.SIGUSR1], 3600)


def spin(port=0):
    """The one that does not block."""
    ring(port)
    while True:
        pass
