"""Executor.map: how many calls travel as one task, and their results in order."""

from __future__ import annotations

import collections
import concurrent.futures
import functools
import inspect
import itertools
import threading
import time
from typing import Any, Callable, Deque, Iterable, Iterator, List, Optional, Sequence

from . import _remote
from ._functions import Functions, Prepared
from ._future import Future, as_exception
from .errors import NotPicklable, TaskError, VersionMismatch

# Long enough for what a task costs to be small beside it, short enough for the last ones to end together.
_CHUNK_RUN_S = 0.050
# Where calls turn out to take longer than those before them, the rest of their task is sent once more.
_CHUNK_RUN_ENOUGH_S = 1.0
# Of arguments, and of results.
_CHUNK_BYTES = 1 << 20
# Where results turn out to be larger than those before them, as well. (A task's result may have 32 MiB.)
_CHUNK_BYTES_ENOUGH = 8 << 20
_CHUNK_CALLS_MAX = 1 << 16
# However short the calls: nobody knows how many interpreters there are.
_TASKS_MIN = 16
# So many are sent singly, and waited for until some have ended: that says how long calls take before thousands are sent.
_PROBES = 16
_PROBES_ENDED = 4


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


class Chunks:
    """Sends the calls, in tasks of `size` of them. None: some singly at first; then as many as take _CHUNK_RUN_S at the pace of those
    that ended last."""

    def __init__(self, functions: Functions, send: Callable[[Prepared, bool], Future], function: Callable, size: Optional[int]):
        """`send`: a task; True: even where the executor has been shut down since."""
        self._functions = functions
        self._send = send
        self._function = function
        # A coroutine is awaited by the server as a task's own.
        self._size = 1 if inspect.iscoroutinefunction(inspect.unwrap(_unbound(function))) else size
        self._looked_at = 0
        self._fit = 0.0  # calls in one task; 0: not known yet
        self._rest_lock = threading.RLock()
        self._cancelled = False

    def send(self, calls: Calls, patience_s: float, sent: Deque[Sent]) -> None:
        """Adds them to `sent`, in order. Raises NotPicklable, with some of them sent."""
        start = 0
        while start < len(calls):
            if self._size is None and start == _PROBES:
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
        cost = sent.future.cost()
        if cost is not None and (cost.run_s >= _CHUNK_RUN_ENOUGH_S or cost.result_bytes >= _CHUNK_BYTES_ENOUGH // 2):
            self.rest_of(sent)

    def rest_of(self, sent: Sent) -> Optional[Sent]:
        """Of a task of several calls that has succeeded. Sends it, where nobody has. None: there is none, or it is not wanted any more."""
        with self._rest_lock:
            if sent.rest is None and not self._cancelled:
                results, raised = sent.future.result()
                if raised is None and len(results) < len(sent.calls):
                    left = sent.calls[len(results) :]
                    sent.rest = self._sent(self.prepared(left), left, True)
            return sent.rest

    def singly(self, calls: Calls) -> List[Sent]:
        """For a server that cannot read what makes one task of them. Empty: it cannot read the function either."""
        tasks = [self.prepared(calls[i : i + 1]) for i in range(len(calls))]
        with self._rest_lock:
            if self._cancelled or tasks[0].by_value:
                return []
            return [Sent(self._send(task, True), calls[i : i + 1]) for i, task in enumerate(tasks)]

    def cancel(self, sent: Iterable[Sent]) -> None:
        with self._rest_lock:
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
            enough = (float("inf"), None) if self._size else (_CHUNK_RUN_ENOUGH_S, _CHUNK_BYTES_ENOUGH)
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
                self._fit = len(ended.calls) * min(_CHUNK_RUN_S / max(cost.run_s, 1e-9), _CHUNK_BYTES / max(cost.result_bytes, 1))
            self._looked_at += 1
        return max(1, min(int(self._fit), left // _TASKS_MIN, _CHUNK_CALLS_MAX))


def _await_some(futures: Sequence[Future], patience_s: float) -> None:
    """Until _PROBES_ENDED of them have ended, or for so long."""
    try:
        for _ in itertools.islice(concurrent.futures.as_completed(futures, patience_s), _PROBES_ENDED):
            pass
    except concurrent.futures.TimeoutError:
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
                results, raised = _next(sent, until)
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
            rest = chunks.rest_of(chunk) if len(results) < len(chunk.calls) else None
            if rest is not None:
                sent.appendleft(rest)
            del chunk, rest
            results.reverse()
            while results:
                yield results.pop()
            if raised is not None:
                raise as_exception(*raised, None)
    finally:
        chunks.cancel(sent)


def _next(sent: Deque[Sent], until: Optional[float]) -> Any:
    result = sent[0].future.result(None if until is None else until - time.monotonic())
    sent.popleft()
    return result


def _unbound(function: Callable) -> Callable:
    while isinstance(function, functools.partial):
        function = function.func
    return function
