"""Tasks whose lock profile is known."""

import hashlib
import os
import sys
import time


def turn(seconds):
    """Bytecode that holds the lock so long, by this thread's own processor time."""
    end = time.thread_time() + seconds
    while time.thread_time() < end:
        for _ in range(500):
            pass


def twice(seconds):
    end = time.thread_time() + 2 * seconds
    while time.thread_time() < end:
        for _ in range(500):
            pass


def off_the_lock(seconds):
    """Sleeping and hashing let go of the lock."""
    time.sleep(seconds)
    hashlib.sha256(bytes(32 << 20)).digest()


def mixed(seconds):
    for _ in range(10):
        turn(seconds / 10)
        twice(seconds / 10)
    off_the_lock(seconds)


def deep(depth):
    return 0 if depth == 0 else 1 + deep(depth - 1)


def very_deep(depth, times):
    sys.setrecursionlimit(10**6)
    return sum(deep(depth) for _ in range(times))


def generator_with_errors(times):
    """Yields, is thrown into, and is left unfinished."""

    def numbers():
        for number in range(times):
            try:
                yield number
            except ValueError:
                pass

    for number in numbers():
        if number % 2:
            try:
                int("x")
            except ValueError:
                continue
    left = numbers()
    next(left)
    left.throw(ValueError)
    left.close()
    return times


def many_functions(count):
    """So many functions that each get called once and go."""
    for number in range(count):
        exec(compile(f"def f{number}(): pass\nf{number}()", "made", "exec"), {})


def takes_over(seconds):
    turn(seconds)
    sys.setprofile(lambda *_: None)
    twice(seconds)


def forks(seconds):
    child = os.fork()
    turn(seconds)
    if child == 0:
        os._exit(0)
    os.waitpid(child, 0)


def named_strangely():
    name = "f" + "ü" * 200
    scope = {}
    exec(compile(f"def {name}():\n for _ in range(2000000): pass", "wo\udcff", "exec"), scope)
    scope[name]()
