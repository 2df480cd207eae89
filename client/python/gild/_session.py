"""One stream of tasks to a server: what is on its way, and what is known of the server as long as it lasts.

Knows no thread; `_connection` says which of them does what.
"""

from __future__ import annotations

import queue
import sys
import time
from typing import TYPE_CHECKING, Any, Callable, Dict, List, Optional, Sequence, Set, Tuple

import grpc

from . import errors
from ._functions import Pickled
from ._future import Future

if TYPE_CHECKING:
    from ._connection import Connection

# Functions on their way to the server at once.
STORING_MAX = 64
# Room for so many tasks is worth a message.
_WORTHWHILE_TASKS = 2048
# What is larger is sent by the thread that sends: whoever submits has other things to do.
_ALONE_BYTES_MAX = 64 << 10


class Work:
    """One task on its way."""

    __slots__ = ("connection", "future", "task", "buffers", "function", "by_value", "client_id", "call")

    def __init__(self, connection: Connection, future: Future, task: bytes, buffers: Sequence[Any], function: Pickled, by_value: bool):
        self.connection = connection
        self.future = future
        self.task = task  # as it is sent, and
        self.buffers = buffers  # the pieces behind it
        self.function = function
        self.by_value = by_value  # bytecode travels along
        self.client_id = 0  # unless it is with the server
        self.call: Any = None  # where it went alone, once that has been made

    def size(self) -> int:
        return len(self.task) + (sum(map(len, self.buffers)) if self.buffers else 0)


class Doorbell:
    """Wakes the one thread that waits. Costs next to nothing to ring while nobody does."""

    def __init__(self) -> None:
        self._someone_waits = False
        self._rings: queue.SimpleQueue = queue.SimpleQueue()

    def ring(self) -> None:
        if self._someone_waits:
            self._someone_waits = False
            self._rings.put(None)

    def wait(self, is_there: Callable[[], Any], timeout_s: Optional[float] = None) -> None:
        """For whatever is announced by ringing after it is there. May return early."""
        self._someone_waits = True
        try:
            if not is_there():
                self._rings.get(timeout=timeout_s)
        except queue.Empty:
            pass
        finally:
            self._someone_waits = False


class Session:
    """What belongs to one stream, and ends with it."""

    def __init__(self, tasks_max: int, python: Tuple[int, ...], put_function: grpc.UnaryUnaryMultiCallable):
        self.tasks_max = tasks_max
        self.worthwhile_room = min(_WORTHWHILE_TASKS, tasks_max // 8)
        self.python = python  # (3, 11)
        self.put_function = put_function
        self.run: Any = None  # Executor.Run
        self.replies: Any = None
        self.has_replied = False
        self.has_ended = False  # the stream; so says gRPC
        self.is_over = False  # nothing is sent any more
        self.is_lost_because = ""  # as far as a call beside the stream has said
        self.in_flight: Dict[int, Work] = {}  # in the stream
        self.alone: Optional[Work] = None  # a call of its own
        self.outcome_alone: Any = None  # once its reply has come, until the call has ended
        self.is_reading = False  # the next message of the stream
        self.left: List[Tuple[Work, Any]] = []  # those that went alone, with their outcomes, to be settled by the thread that reads
        self.paused_until = 0.0  # of time.monotonic(): the server's queue is full
        self.stored: Set[bytes] = set()  # hashes of functions
        self.without_function: Dict[bytes, List[Work]] = {}  # which is being stored
        self.doorbell = Doorbell()  # of the thread that sends
        self.something_to_read = Doorbell()  # of the one that reads

    def end(self) -> None:
        self.has_ended = True
        self.something_to_read.ring()

    def has_any(self) -> bool:
        return bool(self.in_flight or self.without_function or self.alone is not None)

    def forget_alone(self, work: Work) -> None:
        if self.alone is work:
            self.alone = None

    def may_send(self) -> bool:
        return len(self.in_flight) < self.tasks_max and len(self.without_function) < STORING_MAX and not self.is_paused()

    def is_paused(self) -> bool:
        return self.paused_until > 0.0 and self.paused_until > time.monotonic()

    def can_read(self, work: Work) -> bool:
        return not work.by_value or self.python == sys.version_info[:2]

    def other_python(self, work: Work) -> errors.VersionMismatch:
        theirs, ours = (".".join(map(str, version)) for version in (self.python, sys.version_info[:2]))
        return errors.VersionMismatch(
            f"{work.future.name} travels as bytecode of Python {ours}, which the server's Python {theirs} cannot read: run this program with "
            f"Python {theirs}, or call a function of a module that the server has"
        )

    def would_be_alone(self, work: Work) -> bool:
        """Nothing else is on its way, nor need anything be sent before it."""
        return (
            not (self.has_any() or self.has_ended or self.is_over or self.is_paused())
            and work.function.sha256 in self.stored
            and self.can_read(work)
            and work.size() <= _ALONE_BYTES_MAX
        )
