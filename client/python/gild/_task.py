"""What the server says of one task, in Python's own types. Times are seconds; None means that it could not be measured."""

from __future__ import annotations

import dataclasses
from typing import Optional


@dataclasses.dataclass(frozen=True)
class Evidence:
    """What an ending rests on."""

    detail: str = ""
    exit_code: Optional[int] = None
    signal: Optional[int] = None
    #: The limit that was crossed, what it allowed and what was used: nanoseconds, bytes or a number, by the limit.
    limit: str = ""
    allowed: Optional[int] = None
    used: Optional[int] = None
    safe_to_retry: bool = False


@dataclasses.dataclass(frozen=True)
class Error:
    """A Python exception as texts."""

    type: str
    message: str
    traceback: str
    #: The body could not start: it does not compile, or a module that it imports at its top level is missing.
    before_start: bool = False


@dataclasses.dataclass(frozen=True)
class LockUsage:
    """What the interpreter lock cost the task: exact sums, not samples."""

    wait: float
    hold: float
    takes: int
    contended_takes: int
    forced_releases: int
    longest_hold: float


@dataclasses.dataclass(frozen=True)
class Usage:
    queue: float
    dispatch: Optional[float] = None
    run: Optional[float] = None
    cpu: Optional[float] = None
    cpu_wait: Optional[float] = None
    loop_wait: Optional[float] = None
    peak_memory_bytes: Optional[int] = None
    core: Optional[int] = None
    interpreter: str = ""


@dataclasses.dataclass(frozen=True)
class Verdict:
    """What kind of work it was: "LOCK_BOUND", "IO_BOUND", "NATIVE" or "MIXED", and the shares of its run that say so."""

    kind: str
    holding_share: float
    native_share: float
    waiting_share: float


@dataclasses.dataclass(frozen=True)
class TaskInfo:
    """`future.task`: the task as the server saw it."""

    id: str
    #: "SUCCEEDED", "RAISED", "TIMED_OUT" …: the words of proto/gild/v1/task.proto.
    ending: str
    #: "IO_LANE", "CPU_LANE", or "NO_LANE" of a task that never started.
    lane: str
    stdout: bytes = b""
    stderr: bytes = b""
    error: Optional[Error] = None
    evidence: Evidence = Evidence()
    usage: Optional[Usage] = None
    lock: Optional[LockUsage] = None
    verdict: Optional[Verdict] = None
    warnings: tuple = ()
