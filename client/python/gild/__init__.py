"""gild's client: a concurrent.futures.Executor whose tasks run on a gild server.

    import gild

    with gild.Executor("127.0.0.1:50051", tag="cpu") as ex:
        print(sum(ex.map(count_primes, range(0, 10_000_000, 1_000_000))))
        future = ex.submit(pow, 2, 100)
        print(future.result(), future.task.usage, future.task.lock)

README.md beside this package is its guide; gild.errors says what can go wrong.
"""

import os as _os

# For clients that fork (multiprocessing); gRPC looks for it when it is imported.
_os.environ.setdefault("GRPC_ENABLE_FORK_SUPPORT", "1")

from . import aio
from ._executor import Executor
from ._future import Future
from ._options import Options, options, task
from ._progress import progress
from ._task import Error, Evidence, LockUsage, TaskInfo, Usage, Verdict
from .errors import (
    Cancelled,
    ConnectionLost,
    CpuLimit,
    Crashed,
    Exited,
    Expired,
    GildError,
    InterpreterLost,
    MemoryLimit,
    NotPicklable,
    NotReadable,
    OutputLimit,
    ProcessLimit,
    ProtocolError,
    Refused,
    RemoteError,
    RemoteTraceback,
    ResultLimit,
    ScratchLimit,
    TaskError,
    TimedOut,
    Unavailable,
    VersionMismatch,
)

__version__ = "0.1.0"
