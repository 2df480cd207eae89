"""Tasks and outcomes between Python's types and the wire (proto/gild/v1).

A task is written by hand: what most tasks of a caller have in common is encoded once, and arguments and buffers are put behind it
without being copied on the way. (protobuf's encoding: https://protobuf.dev/programming-guides/encoding/)
"""

from __future__ import annotations

import functools
from typing import Any, List, Mapping, NamedTuple, Optional, Sequence

from . import errors
from ._options import Options
from ._task import Error, Evidence, LockUsage, TaskInfo, Usage, Verdict
from .rpc import error_details_pb2
from .v1 import executor_pb2, task_pb2

# So large may a message be (server/task/capacity.h); what surrounds the arguments fits into the rest.
MESSAGE_BYTES_MAX = 48 << 20
ARGUMENTS_BYTES_MAX = MESSAGE_BYTES_MAX - (64 << 10)

SUCCEEDED = task_pb2.SUCCEEDED
RAISED = task_pb2.RAISED
EXPIRED = task_pb2.EXPIRED


def _key(field: int) -> bytes:
    """Of a field with a length."""
    return bytes([field << 3 | 2])


_TASKS = _key(executor_pb2.RunStreamRequest.TASKS_FIELD_NUMBER)
_CLIENT_ID = bytes([executor_pb2.StreamTask.CLIENT_ID_FIELD_NUMBER << 3])
_TASK = _key(executor_pb2.StreamTask.TASK_FIELD_NUMBER)
_RUN_TASK = _key(executor_pb2.RunRequest.TASK_FIELD_NUMBER)
_FUNCTION = _key(task_pb2.Task.FUNCTION_FIELD_NUMBER)
_ARGUMENTS = _key(task_pb2.FunctionCall.PICKLED_ARGUMENTS_FIELD_NUMBER)
_BUFFERS = _key(task_pb2.FunctionCall.BUFFERS_FIELD_NUMBER)


def _varint(value: int) -> bytes:
    if value < 0x80:
        return bytes((value,))
    if value < 0x4000:
        return bytes((value & 0x7F | 0x80, value >> 7))
    out = bytearray()
    while value >= 0x80:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    out.append(value)
    return bytes(out)


@functools.lru_cache(maxsize=4096)
def call_head(options: Options, name: str, sha256: bytes) -> bytes:
    """A Task as far as all calls of that function with these options have it in common: all but the arguments."""
    task = options.to_wire()
    task.name = task.name or name
    task.function.function_sha256 = sha256
    return task.SerializeToString()


def with_arguments(head: bytes, arguments: bytes) -> bytes:
    """The Task. (An embedded message may come in parts, which the receiver merges.)"""
    if not arguments:
        return head
    call = _ARGUMENTS + _varint(len(arguments))
    return b"".join((head, _FUNCTION, _varint(len(call) + len(arguments)), call, arguments))


def buffer_pieces(buffers: Sequence[memoryview]) -> Sequence[Any]:
    """What follows it for buffers beside the arguments: in pieces, as they are not to be copied."""
    pieces: List[Any] = []
    for buffer in buffers:
        call = _BUFFERS + _varint(buffer.nbytes)
        pieces += (_FUNCTION + _varint(len(call) + buffer.nbytes) + call, buffer)
    return pieces


def run_request(task: bytes, buffers: Sequence[Any]) -> bytes:
    """A RunRequest of these pieces."""
    return b"".join((_RUN_TASK, _varint(len(task) + sum(map(len, buffers))), task, *buffers))


def stream_task(client_id: int, task_size: int) -> bytes:
    """What a Task of that size is preceded by in a RunStreamRequest."""
    head = _CLIENT_ID + _varint(client_id) + _TASK + _varint(task_size)
    return _TASKS + _varint(len(head) + task_size) + head


def cancellation(client_ids: Sequence[int]) -> bytes:
    return executor_pb2.RunStreamRequest(cancel_client_ids=client_ids).SerializeToString()


def withdrawal(client_ids: Sequence[int]) -> bytes:
    return executor_pb2.RunStreamRequest(withdraw_client_ids=client_ids).SerializeToString()


def _seconds(duration: Any) -> float:
    return duration.seconds + duration.nanos * 1e-9


def _optional(message: Any, field: str, value: Any = lambda x: x) -> Any:
    return value(getattr(message, field)) if message.HasField(field) else None


def _usage(usage: Any) -> Usage:
    return Usage(
        queue=_seconds(usage.queue),
        dispatch=_optional(usage, "dispatch", _seconds),
        run=_optional(usage, "run", _seconds),
        cpu=_optional(usage, "cpu", _seconds),
        cpu_wait=_optional(usage, "cpu_wait", _seconds),
        loop_wait=_optional(usage, "loop_wait", _seconds),
        peak_memory_bytes=_optional(usage, "peak_memory_bytes"),
        core=_optional(usage, "core"),
        interpreter=usage.interpreter,
    )


def _lock(lock: Any) -> LockUsage:
    return LockUsage(
        wait=_seconds(lock.wait),
        hold=_seconds(lock.hold),
        takes=lock.takes,
        contended_takes=lock.contended_takes,
        forced_releases=lock.forced_releases,
        longest_hold=_seconds(lock.longest_hold),
    )


def _verdict(verdict: Any) -> Verdict:
    return Verdict(
        kind=_name(task_pb2.Verdict.Kind, verdict.kind),
        holding_share=verdict.holding_share,
        native_share=verdict.native_share,
        waiting_share=verdict.waiting_share,
    )


def _error(error: Any) -> Error:
    return Error(error.type, error.message, error.traceback, error.before_start)


def _evidence(evidence: Any) -> Evidence:
    return Evidence(
        detail=evidence.detail,
        exit_code=_optional(evidence, "exit_code"),
        signal=_optional(evidence, "signal"),
        limit=evidence.limit,
        allowed=_optional(evidence, "allowed"),
        used=_optional(evidence, "used"),
        safe_to_retry=evidence.safe_to_retry,
    )


def never_began(outcome: Any) -> bool:
    """Taken back from the queue."""
    return outcome.ending == task_pb2.CANCELLED and outcome.evidence.safe_to_retry


def _name(enum: Any, number: int) -> str:
    """Of a newer server's word: its number."""
    try:
        return enum.Name(number)
    except ValueError:
        return str(number)


def ending_of(outcome: Any) -> str:
    return _name(task_pb2.Ending, outcome.ending)


class Cost(NamedTuple):
    run_s: float
    result_bytes: int


def cost(outcome: Any) -> Optional[Cost]:
    if outcome.ending != SUCCEEDED or not outcome.HasField("usage"):
        return None
    return Cost(_seconds(outcome.usage.run), len(outcome.result.pickled))


def task_info(outcome: Any) -> TaskInfo:
    return TaskInfo(
        id=outcome.task_id,
        ending=ending_of(outcome),
        lane=_name(task_pb2.Lane, outcome.lane),
        stdout=outcome.stdout,
        stderr=outcome.stderr,
        error=_optional(outcome, "error", _error),
        evidence=_evidence(outcome.evidence),
        usage=_optional(outcome, "usage", _usage),
        lock=_optional(outcome, "lock", _lock),
        verdict=_optional(outcome, "verdict", _verdict),
        warnings=tuple(outcome.warnings),
    )


def _details(status: Any, kind: Any) -> Optional[Any]:
    """The detail of that kind, of a google.rpc.Status. (Found by its published name: ours has a package of its own, as two files
    of one name cannot be in one process.)"""
    name = "google.rpc." + kind.DESCRIPTOR.name
    for detail in status.details:
        if detail.type_url.rpartition("/")[2] == name:
            return kind.FromString(detail.value)
    return None


class Refusal:
    """Why the server did not take a task."""

    def __init__(self, status: Any):
        info = _details(status, error_details_pb2.ErrorInfo)
        retry = _details(status, error_details_pb2.RetryInfo)
        request = _details(status, error_details_pb2.BadRequest)
        self.message: str = status.message
        self.reason: str = info.reason if info else ""
        self.metadata: Mapping[str, str] = dict(info.metadata) if info else {}
        self.retry_s: Optional[float] = _seconds(retry.retry_delay) if retry else None
        self.field: str = request.field_violations[0].field if request and request.field_violations else ""

    def as_error(self) -> errors.Refused:
        return errors.Refused(self.message, reason=self.reason, field=self.field)

