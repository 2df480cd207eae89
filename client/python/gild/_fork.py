"""Forks of this process, and what they ask of its threads.

gRPC stops its own threads for a fork, and asks that no other one calls it meanwhile (doc/fork_support.md in its repository). Where one does,
the child may wait for ever for a lock that this thread had, or write to the parent's connection. So a fork waits for ours, and they for it.
(A callback that gRPC calls, and which calls gRPC, holds a fork up for the five seconds that gRPC waits for it.)
"""

from __future__ import annotations

import contextlib
import functools
import os
import sys
import threading
import time
import weakref
from typing import Any, Callable, Iterator, Set, TypeVar

_T = TypeVar("_T")

# A fork waits no longer for those who ask and those who send: what a server does not take cannot be waited for.
_PATIENCE_S = 1.0
# Longer than the part of a fork in which the interpreter must not change hands. Beside a thread that computes a fork takes a few of them.
_SWITCH_INTERVAL_S = 0.05


class _Process:
    """This one: a fork is another."""

    def __init__(self) -> None:
        self.pid = os.getpid()
        self.calls = threading.RLock()  # held by whoever calls gRPC, and by a fork. (Reentrant: a finalizer may come in between.)
        self.asking: Set[int] = set()  # threads, by ident
        self.sending: Set[object] = set()  # messages
        self.switch_interval_s = sys.getswitchinterval()


process = _Process()


def asking(call: Callable[..., _T], *args: Any) -> _T:
    """Calls what asks gRPC for something and then waits for it: a fork does not wait for the answer."""
    me = threading.get_ident()
    with process.calls:
        process.asking.add(me)
    try:
        return call(*args)
    finally:
        process.asking.discard(me)


def cancel(call: Any) -> None:
    with process.calls:
        call.cancel()


@contextlib.contextmanager
def sending() -> Iterator[None]:
    """Around what gives gRPC's thread a message: until it comes for the next it may stop for a fork with a lock that gRPC's receiving thread
    needs in order to stop."""
    message = object()
    with process.calls:
        process.sending.add(message)
    try:
        yield
    finally:
        process.sending.discard(message)


def renew_lock_in_child(channel: Any, call: Any) -> None:
    """Of a call on whose end, or next message, a thread waits: gRPC needs it to close the channel in the child, where that thread may have
    had it. (Where gRPC has other names for this, nothing is done. To close it later, by a hook of ours, 1.51 does not allow.)"""
    state = getattr(call, "_state", None)
    if hasattr(channel, "_close_on_fork") and hasattr(state, "reset_postfork_child"):
        channel._close_on_fork = functools.partial(_close_in_child, weakref.proxy(channel), state)


def _close_in_child(channel: Any, state: Any) -> None:
    state.reset_postfork_child()
    channel.__class__._close_on_fork(channel)


def _before() -> None:
    process.calls.acquire()
    # Between now and the child's first step nobody is to ask for the interpreter: Python would yield it, and wait for threads that are gone.
    process.switch_interval_s = sys.getswitchinterval() + 0.5e-6  # of which whole microseconds are kept
    sys.setswitchinterval(_SWITCH_INTERVAL_S)
    deadline = time.monotonic() + _PATIENCE_S
    while (process.sending or not all(map(_is_waiting, tuple(process.asking)))) and time.monotonic() < deadline:
        time.sleep(0.0005)


def _is_waiting(thread: int) -> bool:
    """gRPC's calls wait by a condition of Python's."""
    frame = sys._current_frames().get(thread)
    return frame is None or frame.f_code is threading.Condition.wait.__code__


def _in_parent() -> None:
    sys.setswitchinterval(process.switch_interval_s)
    process.calls.release()


def _in_child() -> None:
    sys.setswitchinterval(process.switch_interval_s)
    process.__init__()  # type: ignore[misc]


os.register_at_fork(before=_before, after_in_parent=_in_parent, after_in_child=_in_child)
