"""What a task finds of the process that it runs in: the same after every bad citizen."""

import ctypes
import gc
import locale
import os
import re
import resource
import signal
import sys
import threading
import time
import tracemalloc


def descriptors():
    """Where each leads, but for the one that lists them."""
    numbers = sorted(int(name) for name in os.listdir("/proc/self/fd"))
    found = []
    for number in numbers:
        try:
            # Without the process's own number.
            found.append((number, re.sub(r"\d+", "N", os.readlink(f"/proc/self/fd/{number}").split(":")[0])))
        except FileNotFoundError:
            pass
    return found


def variables():
    """That C code finds."""
    entries = ctypes.POINTER(ctypes.c_char_p).in_dll(ctypes.CDLL(None), "environ")
    found = []
    while entries[len(found)] is not None:
        found.append(entries[len(found)])
    return sorted(found)


def own_process():
    """Of a process that runs nothing but this task."""
    with open("/proc/self/comm") as comm:
        name = re.sub(r"\d+", "N", comm.read())
    return {
        "name": name,
        "descriptors": descriptors(),
        "threads": len(os.listdir("/proc/self/task")),
        "processes": sorted(int(name) for name in os.listdir("/proc") if name.isdigit()).index(os.getpid()),
        "scratch": sorted(os.listdir("/tmp")),
        "shared memory": sorted(os.listdir("/dev/shm")),
        "mask": signal.pthread_sigmask(signal.SIG_BLOCK, ()),
        "pending": signal.sigpending(),
        "cores": len(os.sched_getaffinity(0)),
        "known threads": threading.active_count(),
        "environment": (sorted(os.environ.items()), variables()),
        "allocations traced": tracemalloc.is_tracing(),
        "collection": (gc.get_threshold(), gc.get_debug(), gc.callbacks),
        "time zone": (time.tzname, time.timezone, time.localtime(0)),
    }


def look():
    mask = os.umask(0)
    os.umask(mask)
    found = {
        "folder": os.getcwd(),
        "umask": mask,
        "handlers": [str(signal.getsignal(number)) for number in signal.valid_signals()],
        "timers": [signal.getitimer(which) for which in (signal.ITIMER_REAL, signal.ITIMER_VIRTUAL, signal.ITIMER_PROF)],
        "limits": {
            name: resource.getrlimit(getattr(resource, name)) for name in dir(resource) if name.startswith("RLIMIT_")
        },
        "niceness": os.getpriority(os.PRIO_PROCESS, 0),
        "collector": gc.isenabled(),
        "stacks": threading.stack_size(),
        "tracers": (threading.gettrace(), threading.getprofile()),
        "recursion": sys.getrecursionlimit(),
        "interval": sys.getswitchinterval(),
        "locale": locale.setlocale(locale.LC_ALL),
        "standard descriptors": [os.readlink(f"/proc/self/fd/{number}") for number in range(3)],
        "input": sys.stdin.read(),
    }
    return found


for key, value in (look() | (own_process() if threading.current_thread() is threading.main_thread() else {})).items():
    print(key, value)

seen = []
thread = threading.Thread(target=seen.append, args=("alive",))
thread.start()
thread.join()
raise LookupError(seen, "\N{GREEK SMALL LETTER PI}")
