"""Tasks that look around in their interpreter."""

import os
import random


def environment():
    return dict(os.environ)


def descriptors():
    """What the open descriptors are; the one that lists them is left out."""
    links = []
    for name in os.listdir("/proc/self/fd"):
        try:
            links.append(os.readlink(f"/proc/self/fd/{name}"))
        except FileNotFoundError:
            pass
    return links


def status(field):
    """One field of /proc/self/status."""
    with open("/proc/self/status") as file:
        return next(line.split(":", 1)[1].strip() for line in file if line.startswith(field + ":"))


def cores():
    return len(os.sched_getaffinity(0))


def niceness():
    return os.getpriority(os.PRIO_PROCESS, 0)


def draws_and_leave():
    """Prints what it draws, and ends its interpreter, so that the next one draws in a fresh one."""
    draws = [random.random(), random.Random().random(), os.urandom(4).hex()]
    try:
        import numpy.random

        draws.append(numpy.random.random())
    except ImportError:
        draws.append("no numpy")
    print(draws)
    os._exit(0)
