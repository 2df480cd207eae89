"""How a task is to be run, and where that is said: on the executor, on the function, around the call.

The nearest word counts: `with gild.options(…)` over `@gild.task(…)` over `gild.Executor(…)`.
"""

from __future__ import annotations

import contextlib
import contextvars
import dataclasses
import functools
import math
import types
from typing import Any, Callable, Iterator, Mapping, Optional, Tuple

from google.protobuf import duration_pb2

from .v1 import task_pb2

_TAGS = {"auto": task_pb2.AUTO, "io": task_pb2.IO, "cpu": task_pb2.CPU}
_ISOLATIONS = {"shared": task_pb2.SHARED, "fresh": task_pb2.FRESH}

# What a function carries that is decorated: a plain dict, which every interpreter can unpickle.
OPTIONS_ATTRIBUTE = "__gild_options__"

# A task waits behind all that its executor has submitted, so it may wait as long as the server lets it (an hour).
_QUEUE_TIMEOUT_S = 3600.0


@dataclasses.dataclass(frozen=True, eq=False)  # by identity: they are looked up for each call
class Options:
    """What `gild.options`, `@gild.task` and `gild.Executor(limits=…)` take.

    tag: "auto" (the CPU lane, until the server learns which is better), "io" or "cpu".
    timeout: seconds that it may run, without what it waits in the queue. Default 30.
    queue_timeout: seconds that it may wait in the server's queue. Default: an hour.
    cpu_time: seconds of processor time. CPU lane only, as are the four next.
    memory_bytes: what it may have beyond what its interpreter has.
    processes: processes and threads that it may have at once beside its interpreter's own.
    scratch_bytes, scratch_files: of what it writes to its working directory.
    isolation: "shared", or "fresh" for an interpreter that nobody used before or after.
    output_bytes: of stdout and of stderr, each; what is printed beyond is dropped.
    result_bytes: of the pickled result.
    session: a name; its tasks share an interpreter of the I/O lane, and the globals of each function.
    allow_subprocess: it may start processes. Default: no.
    name: a label for people and metrics. Default: the function's name.

    Absent: the server's default (`gild info`). The server lowers what is above its ceiling, and says so in `task.warnings`."""

    tag: str = "auto"
    timeout: Optional[float] = None
    queue_timeout: Optional[float] = None
    cpu_time: Optional[float] = None
    memory_bytes: Optional[int] = None
    processes: Optional[int] = None
    scratch_bytes: Optional[int] = None
    scratch_files: Optional[int] = None
    isolation: Optional[str] = None
    output_bytes: Optional[int] = None
    result_bytes: Optional[int] = None
    session: Optional[str] = None
    allow_subprocess: bool = False
    name: Optional[str] = None

    def __post_init__(self):
        if self.tag not in _TAGS:
            raise ValueError(f"tag={self.tag!r}: one of {', '.join(map(repr, _TAGS))}")
        if self.isolation is not None and self.isolation not in _ISOLATIONS:
            raise ValueError(f"isolation={self.isolation!r}: one of {', '.join(map(repr, _ISOLATIONS))}")
        for name in ("timeout", "queue_timeout", "cpu_time"):
            _check_number(name, getattr(self, name), (int, float))
        for name in _COUNTS:
            _check_number(name, getattr(self, name), int)

    @property
    def bounds_each_call(self) -> bool:
        """Whether some limit is meant for one call, so that a task must not be several."""
        return any(getattr(self, name) is not None for name in ("timeout", "cpu_time", *_COUNTS)) or self.isolation == "fresh"

    def to_wire(self) -> Any:
        """A Task without its body."""
        task = task_pb2.Task(
            name=self.name or "",
            tag=_TAGS[self.tag],
            session=self.session or "",
            allow_subprocess=self.allow_subprocess,
            isolation=_ISOLATIONS[self.isolation] if self.isolation else task_pb2.ISOLATION_UNSPECIFIED,
        )
        limits = task.limits
        limits.queue.CopyFrom(_duration(_QUEUE_TIMEOUT_S if self.queue_timeout is None else self.queue_timeout))
        if self.timeout is not None:
            limits.wall.CopyFrom(_duration(self.timeout))
        if self.cpu_time is not None:
            limits.cpu.CopyFrom(_duration(self.cpu_time))
        for name in _COUNTS:
            if getattr(self, name) is not None:
                setattr(limits, name, getattr(self, name))
        return task


_COUNTS = ("memory_bytes", "processes", "scratch_bytes", "scratch_files", "output_bytes", "result_bytes")
OPTION_NAMES = frozenset(field.name for field in dataclasses.fields(Options))


def _check_number(name: str, value: Any, kinds: Any) -> None:
    if value is None:
        return
    if isinstance(value, bool) or not isinstance(value, kinds):
        raise TypeError(f"{name}={value!r}: {'a whole number' if kinds is int else 'a number of seconds'}")
    if not 0 < value < 2**63 or not math.isfinite(value):
        raise ValueError(f"{name}={value!r}: above 0")


def _duration(seconds: float) -> duration_pb2.Duration:
    nanos = round(seconds * 1e9)
    return duration_pb2.Duration(seconds=nanos // 10**9, nanos=nanos % 10**9)


def checked(changes: Mapping[str, Any]) -> Mapping[str, Any]:
    for name in changes:
        if name not in OPTION_NAMES:
            raise TypeError(f"{name!r} is no option of a task; there are {', '.join(sorted(OPTION_NAMES))}")
    Options(**changes)  # refuses wrong values where they are said, not where they are used
    return changes


_around: contextvars.ContextVar[Mapping[str, Any]] = contextvars.ContextVar("gild.options", default={})


@contextlib.contextmanager
def options(**changes: Any) -> Iterator[None]:
    """For what is submitted within, in this thread or asyncio task: `with gild.options(timeout=5): …` (names: gild.Options)."""
    token = _around.set({**_around.get(), **checked(changes)})
    try:
        yield
    finally:
        _around.reset(token)


def task(function: Optional[Callable] = None, /, **changes: Any) -> Callable:
    """A function's own options: `@gild.task(tag="io", timeout=5)` (names: gild.Options). Called here it is the plain function.

    Without parentheses, `@gild.task`, it has none of its own.
    """
    checked(changes)
    if function is not None:
        if not callable(function):
            raise TypeError(f"{function!r} is not callable: options have names, such as timeout=5")
        return task(**changes)(function)

    def decorate(function: Callable) -> Callable:
        decorated = function.__func__ if isinstance(function, (staticmethod, classmethod)) else function
        setattr(decorated, OPTIONS_ATTRIBUTE, {**_own(decorated), **changes})
        return function

    return decorate


def options_of(function: Callable, defaults: Options) -> Options:
    """For a call made now."""
    own, around = _own(function), _around.get()
    while isinstance(function, functools.partial):
        function = function.func
        own = {**_own(function), **own}
    if not own and not around:
        return defaults
    return _changed(defaults, tuple({**own, **around}.items()))


def _own(function: Callable) -> Mapping[str, Any]:
    own = getattr(function, OPTIONS_ATTRIBUTE, None)
    if type(own) is dict:  # not what an object says that has an answer to every name
        return own
    return {} if isinstance(function, types.FunctionType) else getattr(type(function).__call__, OPTIONS_ATTRIBUTE, {})


@functools.lru_cache(maxsize=256)
def _changed(options: Options, changes: Tuple[Tuple[str, Any], ...]) -> Options:
    return dataclasses.replace(options, **dict(changes))
