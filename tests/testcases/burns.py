"""Tasks that use a given processor time, and one that says what its interpreter has used."""

import os
import resource
import time


def burn(seconds):
    """In this thread."""
    end = time.thread_time() + seconds
    while time.thread_time() < end:
        pass


def burn_in_child(seconds):
    child = os.fork()
    if child == 0:
        burn(seconds)
        os._exit(0)
    os.waitpid(child, 0)


def used():
    """Of the whole process, in seconds."""
    usage = resource.getrusage(resource.RUSAGE_SELF)
    return usage.ru_utime + usage.ru_stime
