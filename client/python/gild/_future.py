"""The future of a remote task.

Threads: any may ask, wait and cancel. It is settled in gRPC's thread that receives, or in "gild-stream" where callbacks are to be called, or
fails in whichever thread finds that it cannot be sent. The connection owns it until it has ended, the caller from then on.
"""

from __future__ import annotations

import collections
import concurrent.futures
import importlib.util
import logging
import os
import pathlib
import pickle
import sys
import threading
import time
from concurrent.futures import InvalidStateError
from concurrent.futures._base import CANCELLED, CANCELLED_AND_NOTIFIED, FINISHED, PENDING
from typing import Any, Callable, Iterable, Optional, Tuple

from . import _wire, errors
from ._interrupts import HeldBack
from ._task import TaskInfo

# What the base class keeps of a task that has not succeeded, until somebody asks for its exception.
_UNREAD = errors.GildError("not read yet")


# Of what is done in no time, for whatever future. (Reentrant: a finalizer may come in between.)
_lock = threading.RLock()


def _after_fork() -> None:
    """Another thread may have had it."""
    global _lock
    _lock = threading.RLock()


os.register_at_fork(after_in_child=_after_fork)


class _Condition(type(threading.RLock()), threading.Condition):  # type: ignore[misc]
    """Entered and left by C code alone. A signal's handler that raises (Ctrl-C) within threading.Condition's own `__enter__` leaves it held, and
    the thread that receives would wait for it for ever."""

    def __init__(self, sleepers: Iterable[Any]) -> None:  # pylint: disable=super-init-not-called
        # As threading.Condition's own: held locks, released by `notify_all`.
        self._waiters: collections.deque = collections.deque(sleepers)


class Future(concurrent.futures.Future):
    """As every concurrent.futures.Future, and: `cancel` also stops a task that runs, and `task` says what the server saw of it.

    What the task returned is unpickled by the first thread that asks for it.

    What the base class makes for those who wait for several, or want to be called, is made when the first of them comes: ten objects,
    which most tasks of many never need, and which the collector of cyclic garbage would look through again and again. Whoever waits for
    this one alone sleeps on a plain lock: a condition would make a small task's round trip a twentieth longer, and be left wrong where a
    signal's handler raises meanwhile.
    """

    # As they are at first, without a word for each future. The base class's own:
    _state = PENDING
    _result: Any = None
    _exception: Optional[BaseException] = None
    # And ours:
    _is_watched = False  # somebody waits in the base class's way, or did, or wants to be called
    _sleepers: Tuple[Any, ...] = ()  # held locks of those who wait for this one
    work: Any = None  # on its way: the connection's, until it has ended
    _outcome: Any = None  # as it came
    _is_read = False
    _value: Any = None
    _error: Optional[BaseException] = None
    _task: Optional[TaskInfo] = None

    def __init__(self, name: str = ""):  # pylint: disable=super-init-not-called
        self.name = name

    def __getattr__(self, name: str) -> Any:
        if name not in ("_condition", "_waiters", "_done_callbacks"):
            raise AttributeError(f"{type(self).__name__!r} object has no attribute {name!r}")
        mine = self.__dict__
        with _lock:
            if "_condition" not in mine:
                # In one step: a signal's handler may raise between any two.
                mine.update(_waiters=[], _done_callbacks=[], _condition=_Condition(self._sleepers), _is_watched=True, _sleepers=())
        return mine[name]

    # ---- for whoever waits ----

    @property
    def task(self) -> Optional[TaskInfo]:
        """None until it has ended; and of one that the server has never had."""
        if self._task is None and self._outcome is not None:
            self._task = _wire.task_info(self._outcome)
        return self._task

    def done(self) -> bool:
        return self._state in (FINISHED, CANCELLED_AND_NOTIFIED, CANCELLED)

    def cancelled(self) -> bool:
        return self._state in (CANCELLED_AND_NOTIFIED, CANCELLED)

    def result(self, timeout: Optional[float] = None) -> Any:
        error = self.exception(timeout)
        if error is None:
            return self._value if self._is_read else super().result()
        try:
            raise error
        finally:
            # Break the cycle of the exception, its traceback and this frame.
            self = error = None  # type: ignore[assignment]

    def exception(self, timeout: Optional[float] = None) -> Optional[BaseException]:
        if self._state != FINISHED or self._outcome is None:
            work = self.work
            if work is not None and work.connection.pid != os.getpid():
                raise RuntimeError("this future belongs to the process that submitted it, of which this one is a fork")
            self._sleep(timeout)
            if not self.done():
                raise concurrent.futures.TimeoutError
            if self._state != FINISHED or self._outcome is None:
                error = super().exception()  # of one that was cancelled it raises, whatever the server said of it
                if self._outcome is None:
                    return error
        if not self._is_read:
            self._read()
        return self._error

    def _get_snapshot(self) -> Tuple[bool, bool, Any, Optional[BaseException]]:
        """(done, cancelled, result, exception), as asyncio of Python 3.14 asks for them."""
        if not self.done() or self.cancelled():
            return self.done(), self.cancelled(), None, None
        error = self.exception()
        return True, False, None if error is not None else self.result(), error

    def cancel(self) -> bool:
        """False: it has ended already, or is another process's. A task that runs is stopped, too, but may take a moment to heed it."""
        work = self.work  # which may be let go of meanwhile
        if work is not None and work.connection.pid != os.getpid():
            return False
        was_under_way = False
        try:
            with HeldBack(), self._condition:
                work = self.work
                if work is not None and self._state != FINISHED:
                    was_under_way = True
                    if not self.done():
                        self._state = CANCELLED
                    # As below, but whoever waits hears of it before callbacks are called: no other thread will tell them.
                    self._condition.notify_all()
                    if self._state == CANCELLED:
                        self.set_running_or_notify_cancel()
                    work.connection.cancel(work)
                    self.work = None  # not sooner: where a handler has raised meanwhile, the next `cancel` does all of it once more
        finally:
            if was_under_way:
                self._call_back()
        return was_under_way or super().cancel()

    def running(self) -> bool:
        """The server has it: it may still wait there for its turn."""
        work = self.work
        return work is not None and work.client_id != 0 and not self.done()

    def __repr__(self) -> str:
        if self._outcome is None or self.cancelled():
            return super().__repr__()
        return f"<{type(self).__name__} at {id(self):#x} state=finished {_wire.ending_of(self._outcome)}>"

    def _sleep(self, timeout: Optional[float]) -> None:
        """Until it has ended, or so long is over."""
        sleeper = threading.Lock()
        sleeper.acquire()
        with _lock:
            if self.done():
                return
            is_watched = self._is_watched
            if not is_watched:
                self._sleepers = (*self._sleepers, sleeper)
        if is_watched:
            with self._condition:
                if self.done():
                    return
                self._condition._waiters.append(sleeper)
        try:
            if timeout is None:
                sleeper.acquire()
            elif timeout > 0:
                sleeper.acquire(timeout=timeout)
        finally:
            if not self.done():  # otherwise whoever woke it has let go of it
                self._forget(sleeper)

    def _forget(self, sleeper: Any) -> None:
        with _lock:
            self._sleepers = tuple(each for each in self._sleepers if each is not sleeper)
        if self._is_watched:
            with self._condition:
                if sleeper in self._condition._waiters:
                    self._condition._waiters.remove(sleeper)

    def _wake(self) -> None:
        """REQUIRES: _lock."""
        for sleeper in self._sleepers:
            sleeper.release()
        self._sleepers = ()

    # ---- for map and the connection ----

    def cost(self) -> Optional[_wire.Cost]:
        """Where it has succeeded, and its result has not been asked for."""
        return _wire.cost(self._outcome) if self._outcome is not None else None

    def has_succeeded(self) -> bool:
        return self._state == FINISHED and self._outcome is not None and self._outcome.ending == _wire.SUCCEEDED

    def unread(self) -> bytes:
        """The pickle of its result. Empty once that has been asked for."""
        return self._outcome.result.pickled

    def deliver(self, outcome: Any) -> None:
        with self._condition:
            if self._state == FINISHED:
                return  # it has failed meanwhile
            self._outcome = outcome
        if outcome.ending == _wire.SUCCEEDED:
            self._settle(self.set_result, None)
        else:
            self._settle(self.set_exception, _UNREAD)

    def deliver_silently(self, outcome: Any) -> bool:
        """False, and nothing has happened: somebody's callback would be called, or it has been cancelled."""
        with _lock:
            if not self._is_watched and self._state == PENDING:
                self._outcome = outcome
                if outcome.ending != _wire.SUCCEEDED:
                    self._exception = _UNREAD
                self.work = None
                self._state = FINISHED
                self._wake()
                return True
        with self._condition:
            if self._done_callbacks or self._state != PENDING:
                return False
            self.deliver(outcome)
            return True

    def fail(self, error: BaseException) -> None:
        self._settle(self.set_exception, error)

    def _settle(self, settle: Callable[[Any], None], what: Any) -> None:
        try:
            settle(what)
        except InvalidStateError:
            return  # it has been cancelled
        except BaseException:  # SystemExit, of a callback: the others' tasks go on
            _log_callback()
        finally:
            self.work = None  # not sooner: who cancels meanwhile is to find it, or the end
        self._done_callbacks.clear()

    def _call_back(self) -> None:
        self._invoke_callbacks()
        self._done_callbacks.clear()

    # ---- what has come back ----

    def _read(self) -> None:
        """Two threads may come here at once: one of them is heard."""
        try:
            value, error = self._unpickled(self._outcome)
        except errors.NotReadable as cause:
            value, error = None, cause
        with _lock:
            if not self._is_read:
                self._value, self._error = value, error
                self._is_read = True
                self._outcome.ClearField("result")

    def _unpickled(self, outcome: Any) -> tuple:
        """(value, None) or (None, exception)."""
        if outcome.ending == _wire.SUCCEEDED:
            return unpickled(outcome.result.pickled, self.name), None
        if outcome.ending == _wire.RAISED:
            return None, self._raised(outcome.error)
        kind = errors.OF_ENDING.get(self.task.ending, errors.TaskError)
        error = kind(f"{self.name or 'task'}: {errors.explained(self.task)}", self.task)
        if outcome.error.traceback:
            error.__cause__ = errors.RemoteTraceback(outcome.error.traceback)
        return None, error

    def _raised(self, raised: Any) -> BaseException:
        error = as_exception(raised.pickled, raised.type, raised.message, raised.traceback, self.task, raised.before_start)
        if isinstance(error, AttributeError) and "cloudpickle" in raised.message:
            mismatch = errors.VersionMismatch(f"{self.name} cannot be unpickled by the server, whose cloudpickle is another than yours: {error}")
            mismatch.__cause__ = error
            return mismatch
        return error


def unpickled(data: bytes, name: str) -> Any:
    """What a task of that name returned. Raises NotReadable."""
    try:
        return pickle.loads(data)
    except Exception as cause:
        raise errors.NotReadable(f"what {name or 'the task'} returned cannot be unpickled here: {cause}") from cause


def as_exception(
    pickled: Optional[bytes], type_name: str, message: str, traceback: str, task: Optional[TaskInfo] = None, before_start: bool = False
) -> BaseException:
    """Itself where it can be unpickled here, with the remote traceback as its cause."""
    error: Any = None
    if pickled:
        try:
            error = pickle.loads(pickled)
        except Exception:
            pass  # of a class that is not here; told as texts
    if not isinstance(error, BaseException):
        error = errors.RemoteError(f"{type_name}: {message}" if message else type_name, task, type_name)
    if isinstance(error, ModuleNotFoundError) and error.name:
        error.msg = _missing(error.name, imported_by_itself=not before_start and "cloudpickle" not in traceback)
        error.args = (error.msg,)
    error.__cause__ = errors.RemoteTraceback(traceback)
    return error


def _missing(name: str, imported_by_itself: bool) -> str:
    """What the server lacks, and what to do. `imported_by_itself`: by the function, when it ran."""
    if name == "cloudpickle":
        return "the server's Python has no cloudpickle, without which it cannot read functions that travel by value: its administrator installs it"
    lacks = f"the server has no module named {name!r}"
    package = name.partition(".")[0]
    try:
        spec = importlib.util.find_spec(package)
    except (ImportError, ValueError):  # ValueError: one that was made by hand
        spec = None
    if spec is None and package not in sys.modules:
        return f"{lacks}; nor is there one here"
    if spec is not None and spec.origin and {"site-packages", "dist-packages"} & set(pathlib.PurePath(spec.origin).parts):
        return f"{lacks}: its administrator installs it"
    # One that is sent along comes with the functions that use it; an `import` that the function runs itself does not find it.
    return f"{lacks}; {'import it outside of the function, and ' if imported_by_itself else ''}send it along with gild.Executor(ship=[{package}])"


def _log_callback() -> None:
    logging.getLogger("concurrent.futures").exception("exception calling callback")
