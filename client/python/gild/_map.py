"""Executor.map: how many calls travel as one task, and their results in order."""

from __future__ import annotations

import collections
import functools
import inspect
import itertools
import pickle
import queue
import threading
import time
from typing import Any, Callable, Deque, Iterable, Iterator, List, Optional, Sequence

from . import _remote
from ._functions import Functions, Pickled, Prepared
from ._future import Future, as_exception, unpickled
from .errors import NotPicklable, TaskError, VersionMismatch

# Long enough for what a task costs to be small beside it, short enough for the last ones to end together.
_CHUNK_RUN_S = 0.1
# Where calls turn out to take longer than those before them, or return more, the rest of their task is sent once more.
_CHUNK_RUN_ENOUGH_S = 1.0
_CHUNK_RESULT_ENOUGH = 1 << 20  # bytes; a task's result may have 32 MiB, and so may the one that is more than enough
# Of arguments; of results half as much.
_CHUNK_BYTES = 1 << 20
_CHUNK_CALLS_MAX = 1 << 16
# However short the calls: nobody knows how many interpreters there are.
_TASKS_MIN = 16
# So many are sent singly, and waited for until some have ended: that says how long calls take before thousands are sent.
_PROBES = 16
_PROBES_ENDED = 4

# What a task of several calls returns ends so (_remote.call_each), where `came_to` is the four zeros: it is told without unpickling the rest.
_CAME_TO_BYTES = 4
_BEFORE, _, _TAIL = pickle.dumps((None, None, bytes(_CAME_TO_BYTES)), protocol=5).rpartition(bytes(_CAME_TO_BYTES))
_HEAD = _BEFORE[-2:]


class Calls:
    """The arguments of some calls, by column: many small tuples would take three times as long to pickle."""

    __slots__ = ("columns",)

    def __init__(self, columns: Sequence[list]):
        self.columns = columns

    @staticmethod
    def of(iterables: Sequence[Iterable]) -> Calls:
        """Reads them until the shortest ends."""
        if len(iterables) == 1:
            return Calls([list(iterables[0])])
        return Calls([list(column) for column in zip(*zip(*iterables))])

    def __len__(self) -> int:
        return len(self.columns[0]) if self.columns else 0

    def __getitem__(self, part: slice) -> Calls:
        return Calls([column[part] for column in self.columns])

    def first(self) -> tuple:
        return tuple(column[0] for column in self.columns)


class Sent:
    """A task for each of these calls; a single one's result is the call's own."""

    __slots__ = ("future", "calls", "rest")

    def __init__(self, future: Future, calls: Calls):
        self.future = future
        self.calls = calls
        self.rest: Optional[Sent] = None  # those that it did not come to

    def came_to(self) -> int:
        """Of several calls: so many have been made, or are not to be. REQUIRES: they have succeeded as a task."""
        unread = self.future.unread()
        end = len(unread) - len(_TAIL)
        told = unread[end - _CAME_TO_BYTES : end]
        if not (unread.endswith(_TAIL) and unread.endswith(_HEAD, 0, end - _CAME_TO_BYTES)):
            _, _, told = self.future.result()  # read already, or pickled in another way
        return int.from_bytes(told, "little")


class Chunks:
    """Sends the calls, in tasks of `size` of them. None: some singly at first; then as many as take _CHUNK_RUN_S at the pace of those
    that ended last."""

    def __init__(
        self,
        functions: Functions,
        send: Callable[[Prepared, bool], Future],
        expect: Callable[[Pickled], None],
        function: Callable,
        size: Optional[int],
    ):
        """`send`: a task; True: even where the executor has been shut down since. `expect`: tasks of it may follow."""
        self._functions = functions
        self._send = send
        self._expect = expect
        self._function = function
        # Coroutines of one task are awaited one after another, those of many together.
        self._size = 1 if _makes_coroutines(function) else size
        self._looked_at = 0
        self._fit = 0.0  # calls in one task; 0: not known yet
        self._rest_lock = threading.RLock()
        self._cancelled = False

    def send(self, calls: Calls, patience_s: float, sent: Deque[Sent]) -> None:
        """Adds them to `sent`, in order. Raises NotPicklable, with some of them sent."""
        start = 0
        while start < len(calls):
            if self._size is None and start == _PROBES:
                if len(calls) - start >= 2 * _TASKS_MIN:
                    self._expect(self._for_each)
                _await_some([each.future for each in sent], patience_s)
            size = self._size or self._worthwhile_size(len(calls) - start, sent)
            chunk = calls[start : start + size]
            prepared = self.prepared(chunk)
            while self._size is None and prepared.size > _CHUNK_BYTES and len(chunk) > 1:
                chunk = chunk[: max(1, len(chunk) * _CHUNK_BYTES // prepared.size)]
                prepared = self.prepared(chunk)
            sent.append(self._sent(prepared, chunk, False))
            start += len(chunk)

    def _sent(self, prepared: Prepared, calls: Calls, is_rest: bool) -> Sent:
        sent = Sent(self._send(prepared, is_rest), calls)
        if self._size is None and len(calls) > 1:
            # Sent as soon as it is known, not when somebody asks for its results: it may be much, and wait for a place.
            sent.future.add_done_callback(lambda future: self._look_for_rest(sent))
        return sent

    def _look_for_rest(self, sent: Sent) -> None:
        if sent.future.has_succeeded():
            self.rest_of(sent)

    def rest_of(self, sent: Sent) -> Optional[Sent]:
        """Of a task of several calls that has succeeded. Sends it, where nobody has. None: there is none, or it is not wanted any more."""
        came_to = sent.came_to()
        if came_to >= len(sent.calls):
            return None
        with self._rest_lock:
            if sent.rest is None and not self._cancelled:
                left = sent.calls[came_to:]
                sent.rest = self._sent(self.prepared(left), left, True)
                if self._cancelled:  # meanwhile
                    sent.rest.future.cancel()
            return sent.rest

    def singly(self, calls: Calls) -> List[Sent]:
        """For a server that cannot read what makes one task of them. Empty: it cannot read the function either."""
        tasks = [self.prepared(calls[i : i + 1]) for i in range(len(calls))]
        if tasks[0].by_value:
            return []
        return [Sent(self._send(task, True), calls[i : i + 1]) for i, task in enumerate(tasks)]

    def cancel(self, sent: Iterable[Sent]) -> None:
        """Takes no lock: a finalizer may come here from anywhere."""
        self._cancelled = True
        for first in sent:
            each: Optional[Sent] = first
            while each is not None:
                each.future.cancel()
                each = each.rest

    def prepared(self, calls: Calls) -> Prepared:
        if len(calls) == 1:
            return self._functions.prepare(self._function, calls.first(), {})
        try:
            # Of as many as somebody asked for none is left over.
            enough = (float("inf"), None) if self._size else (_CHUNK_RUN_ENOUGH_S, _CHUNK_RESULT_ENOUGH)
            return self._functions.prepare_stored(self._for_each, (calls.columns, *enough))
        except NotPicklable:
            for i in range(len(calls)):  # one of them says which argument it is
                self._functions.prepare(self._function, calls[i : i + 1].first(), {})
            raise

    @functools.cached_property
    def _for_each(self) -> Any:
        return self._functions.pickled(functools.partial(_remote.call_each, self._function))

    def _worthwhile_size(self, left: int, sent: Deque[Sent]) -> int:
        while self._looked_at < len(sent) and sent[self._looked_at].future.done():
            ended = sent[self._looked_at]
            cost = ended.future.cost()
            if cost is not None:
                calls = 1 if len(ended.calls) == 1 else ended.came_to()
                self._fit = calls * min(_CHUNK_RUN_S / max(cost.run_s, 1e-9), _CHUNK_BYTES / 2 / max(cost.result_bytes, 1))
            self._looked_at += 1
        return max(1, min(int(self._fit), left // _TASKS_MIN, _CHUNK_CALLS_MAX))


def _await_some(futures: Sequence[Future], patience_s: float) -> None:
    """Until _PROBES_ENDED of them have ended, or for so long."""
    ended: queue.SimpleQueue = queue.SimpleQueue()
    for future in futures:
        future.add_done_callback(ended.put)
    until = time.monotonic() + patience_s
    try:
        for _ in range(_PROBES_ENDED):
            ended.get(timeout=max(0.0, until - time.monotonic()))
    except queue.Empty:
        pass


class Results:
    """Iterates over the results, in the order of the calls; its length is their number, as progress bars like to know.

    What a call raised is raised here, and is the end of it. Calls that are then under way are cancelled, as they are when it is closed
    or forgotten.
    """

    def __init__(self, chunks: Chunks, calls: Calls, until: Optional[float], patience_s: float):
        """`until`: of time.monotonic(). `patience_s`: how long the first calls may be waited for."""
        self._length = len(calls)
        self._sent: Deque[Sent] = collections.deque()
        try:
            chunks.send(calls, patience_s, self._sent)
        except BaseException:
            chunks.cancel(self._sent)
            raise
        self._chunks = chunks
        self._results = _in_order(chunks, self._sent, until)

    def __len__(self) -> int:
        return self._length

    def __iter__(self) -> Results:
        return self

    def __next__(self) -> Any:
        return next(self._results)

    def close(self) -> None:
        self._results.close()
        self._chunks.cancel(self._sent)


def _in_order(chunks: Chunks, sent: Deque[Sent], until: Optional[float]) -> Iterator[Any]:
    """Holds no result that it has handed over."""
    try:
        while sent:
            if len(sent[0].calls) == 1:
                yield _next(sent, until)
                continue
            chunk = sent[0]
            try:
                (results, apart), raised, _ = _next(sent, until)
            except VersionMismatch:
                single = chunks.singly(chunk.calls)
                if not single:
                    raise
                sent.popleft()
                sent.extendleft(reversed(single))
                continue
            except TaskError as error:
                if error.evidence.limit:
                    error.args = (f"{error}, by {len(chunk.calls)} calls in one task: chunksize=1 makes one of each",)
                raise
            rest = chunks.rest_of(chunk)
            if rest is not None:
                sent.appendleft(rest)
            name = chunk.future.name
            del chunk, rest
            results.reverse()
            handed_over = 0
            for i in apart:
                for _ in range(i - handed_over):
                    yield results.pop()
                yield unpickled(results.pop(), name)
                handed_over = i + 1
            while results:
                yield results.pop()
            if raised is not None:
                raise as_exception(*raised)
    finally:
        chunks.cancel(sent)


def _next(sent: Deque[Sent], until: Optional[float]) -> Any:
    result = sent[0].future.result(None if until is None else until - time.monotonic())
    sent.popleft()
    return result


def _makes_coroutines(function: Callable) -> bool:
    while isinstance(function, functools.partial):
        function = function.func
    try:
        return inspect.iscoroutinefunction(inspect.unwrap(function))
    except ValueError:  # wrapped in itself
        return False
