"""Tasks that want the lock all the time, and tasks that hardly want it."""

import hashlib
import os
import sys
import time


def spin_together(name, seconds):
    """Spins until the first task that used this name has spun so long; returns when it began and ended."""
    begin = time.monotonic()
    end = sys.__dict__.setdefault(f"gild test {name}", begin + seconds)
    while time.monotonic() < end:
        for _ in range(1000):
            pass
    return [begin, time.monotonic()]


def sleep(seconds):
    begin = time.monotonic()
    time.sleep(seconds)
    return [begin, time.monotonic()]


def digest(seconds):
    """Computes without the lock all the time, in blocks of some tenths of a millisecond."""
    block = bytes(100_000)
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        hashlib.sha256(block)


def nap(times, seconds):
    for _ in range(times):
        time.sleep(seconds)


def spin_and_look(name, seconds):
    """As spin_together; returns how many cores the task was allowed, each number once that it ever saw."""
    begin = time.monotonic()
    end = sys.__dict__.setdefault(f"gild test {name}", begin + seconds)
    seen = set()
    while time.monotonic() < end:
        seen.add(len(os.sched_getaffinity(0)))
    return sorted(seen)
