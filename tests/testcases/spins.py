"""Tasks that want the lock all the time, and tasks that hardly want it."""

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
