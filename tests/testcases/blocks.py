"""Bad citizens that wait for ever, each in another blocking call that lets go of the lock: a stop must reach them all."""

import queue
import select
import socket
import subprocess
import threading
import time


def sleep():
    time.sleep(3600)


def many_sleeps():
    while True:
        time.sleep(0.001)


def recv():
    one, other = socket.socketpair()
    with one, other:
        one.recv(1)


def accept():
    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.accept()


def read_pipe():
    one, other = socket.socketpair()
    with one, other, one.makefile("rb") as file:
        file.read(1)


def lock_acquire():
    lock = threading.Lock()
    lock.acquire()
    lock.acquire()


def lock_acquire_with_timeout():
    lock = threading.Lock()
    lock.acquire()
    lock.acquire(timeout=3600)


def event_wait():
    threading.Event().wait()


def queue_get():
    queue.Queue().get()


def join():
    forever = threading.Event()
    thread = threading.Thread(target=forever.wait, daemon=True)
    thread.start()
    try:
        thread.join()
    finally:
        forever.set()


def select_wait():
    one, other = socket.socketpair()
    with one, other:
        select.select([one], [], [])


def poll_wait():
    one, other = socket.socketpair()
    with one, other:
        poll = select.poll()
        poll.register(one, select.POLLIN)
        poll.poll()


def epoll_wait():
    one, other = socket.socketpair()
    with one, other, select.epoll() as epoll:
        epoll.register(one, select.EPOLLIN)
        epoll.poll()


def subprocess_wait():
    child = subprocess.Popen(["sleep", "3600"])
    try:
        child.wait()
    finally:
        child.kill()
        child.wait()


def spin():
    while True:
        pass
