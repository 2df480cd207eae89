"""What can go wrong, by name.

A function's own exception is raised as itself, with the remote traceback as its cause. Everything else is a GildError:

  TaskError          the task ended otherwise than by returning or raising; one subclass for each ending
  Unavailable        no server there: nothing was run
  Refused            the server did not take the task; nothing was run
  VersionMismatch    the function was pickled by another Python than the server's, which cannot read its bytecode
  NotPicklable       raised by submit itself
"""

from __future__ import annotations

import linecache
import pickle
import re
from typing import Optional

from ._task import Evidence, TaskInfo


class GildError(Exception):
    """Whatever is not the function's own exception."""

    #: Whether to submit the task again cannot repeat an effect of it, since it has never begun.
    safe_to_retry = False


class Unavailable(GildError, ConnectionError):
    """Nobody serves at that address, or not in time. The task has not begun."""

    safe_to_retry = True


class Refused(GildError):
    """The server did not take the task, which has not begun. `field` names what is wrong with it, where the server says so."""

    safe_to_retry = True

    def __init__(self, message: str, *, reason: str = "", field: str = ""):
        super().__init__(message)
        self.reason = reason
        self.field = field


class VersionMismatch(GildError):
    """The function travels as bytecode, and the server's Python has another kind of bytecode."""

    safe_to_retry = True


class NotPicklable(GildError, pickle.PicklingError, TypeError):
    """The function or an argument cannot be sent; the message names it and says why."""

    safe_to_retry = True


class NotReadable(GildError):
    """What the task returned cannot be unpickled here; the cause says why."""


# A frame without its line: its file is not on the server.
_BARE_FRAME = re.compile(r'^  File "(.+)", line (\d+), in .*\n(?!    )', re.MULTILINE)


class RemoteTraceback(Exception):
    """The cause of an exception that came from the server: `text` is the traceback as it was printed there.

    Shown, it has the lines of files that are here and not there, as those of the caller's own functions are.
    """

    def __init__(self, text: str):
        super().__init__(text)
        self.text = text

    def __str__(self):
        return f'\n"""\n{_BARE_FRAME.sub(_with_its_line, self.text)}"""'


def _with_its_line(frame: re.Match) -> str:
    line = linecache.getline(frame[1], int(frame[2])).strip()
    return f"{frame[0]}    {line}\n" if line else frame[0]


class TaskError(GildError):
    """The task ended otherwise than by returning or raising. `task` says all that is known of it."""

    def __init__(self, message: str, task: Optional[TaskInfo] = None):
        super().__init__(message)
        self.task = task

    @property
    def ending(self) -> str:
        """The server's word for it, such as "TIMED_OUT"; empty where the server could not say."""
        return self.task.ending if self.task else ""

    @property
    def evidence(self) -> Evidence:
        """What the ending rests on: a limit, a signal, an exit code."""
        return self.task.evidence if self.task else Evidence()

    @property
    def safe_to_retry(self) -> bool:
        return self.evidence.safe_to_retry

    def __reduce__(self):
        return type(self), (*self.args, self.task)


class RemoteError(TaskError):
    """It raised an exception that could not be sent as itself: `type_name`, `message` and its traceback as texts."""

    def __init__(self, message: str, task: Optional[TaskInfo] = None, type_name: str = ""):
        super().__init__(message, task)
        self.type_name = type_name

    def __reduce__(self):
        return type(self), (*self.args, self.task, self.type_name)


class Exited(TaskError):
    """sys.exit or os._exit; `evidence.exit_code`."""


class Crashed(TaskError):
    """A signal that its code brought upon itself ended the interpreter; `evidence.signal`."""


class TimedOut(TaskError):
    """It ran longer than its `timeout`. (Future.result's own timeout raises TimeoutError, and the task goes on.)"""


class CpuLimit(TaskError):
    """It used more processor time than `cpu_time`."""


class MemoryLimit(TaskError):
    """It wanted more than `memory_bytes`."""


class OutputLimit(TaskError):
    """It printed more than `output_bytes`."""


class ResultLimit(TaskError):
    """What it returned, pickled, is larger than `result_bytes`."""


class ProcessLimit(TaskError):
    """It wanted more than `processes` processes and threads."""


class ScratchLimit(TaskError):
    """It wrote more than `scratch_bytes` or `scratch_files`."""


class Cancelled(TaskError):
    """The server stopped it, not this client."""


class Expired(TaskError):
    """It waited longer than `queue_timeout` and has not begun."""


class InterpreterLost(TaskError):
    """Its interpreter went away through no act of its own; `safe_to_retry` says whether it had begun."""


class ProtocolError(TaskError):
    """Its interpreter broke the protocol between it and the server."""


class ConnectionLost(TaskError, ConnectionError):
    """The connection broke while the server had the task. Whether it has run is not known, so it may not be safe to retry."""


#: By the server's word for the ending. RAISED and SUCCEEDED are not errors of this kind.
OF_ENDING = {
    "EXITED": Exited,
    "CRASHED": Crashed,
    "TIMED_OUT": TimedOut,
    "CPU_LIMIT": CpuLimit,
    "MEMORY_LIMIT": MemoryLimit,
    "OUTPUT_LIMIT": OutputLimit,
    "RESULT_LIMIT": ResultLimit,
    "CANCELLED": Cancelled,
    "EXPIRED": Expired,
    "INTERPRETER_LOST": InterpreterLost,
    "PROTOCOL_ERROR": ProtocolError,
    "PROCESS_LIMIT": ProcessLimit,
    "SCRATCH_LIMIT": ScratchLimit,
}


def explained(task: TaskInfo) -> str:
    """Its ending and what that rests on, in one line."""
    evidence = task.evidence
    if evidence.limit and evidence.allowed is not None:
        used = "" if evidence.used is None else f", {_amount(evidence.limit, evidence.used)} used"
        warnings = "".join(f" ({warning})" for warning in task.warnings)  # that it has been lowered, say
        return f"{task.ending}: limit {evidence.limit}, {_amount(evidence.limit, evidence.allowed)} allowed{used}{warnings}"
    if not evidence.detail and evidence.exit_code is not None:
        return f"{task.ending}: exit code {evidence.exit_code}"
    return f"{task.ending}: {evidence.detail}" if evidence.detail else task.ending


def _amount(limit: str, value: int) -> str:
    if limit in ("wall", "cpu", "queue"):
        return f"{value * 1e-9:.3g} s"
    if limit in ("processes", "scratch_files"):
        return str(value)
    for unit, size in (("GiB", 2**30), ("MiB", 2**20)):
        if value >= size:
            return f"{value / size:.3g} {unit}" if value < 1000 * size else f"{value / size:.0f} {unit}"
    return f"{value} bytes"
