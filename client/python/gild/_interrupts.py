"""Ctrl-C while the main thread calls gRPC: its handler runs afterwards.

gRPC takes its locks in Python (1.51: threading.Condition, whose `__enter__` is a Python function). Where a signal's handler raises there, the
lock stays held, and whoever needs it next waits for ever. The same is true of threading's own.

Any thread may use it; only in the main one, where handlers run, does it do anything. SIGINT's handler belongs to whoever has set it: it is
exchanged for the time of the block, and put back as it was. Knows nothing of gild.
"""

from __future__ import annotations

import _signal  # what signal has of the same names takes five times as long: it makes enums of numbers
import ctypes
import os
import signal
import sys
import threading
from typing import Any, Callable, Optional

_INTERRUPT = int(signal.SIGINT)
_OTHERS = tuple(int(each) for each in signal.valid_signals() if each != signal.SIGINT)

# To set a handler in Python's way forgets what else is set of a signal: SA_RESTART, and handlers of C code, of which Python does not know.
_SIGACTION_BYTES_MAX = 1024
try:
    _sigaction: Any = ctypes.PyDLL(None).sigaction
    _sigaction.argtypes = (ctypes.c_int, ctypes.c_char_p, ctypes.c_char_p)
except (AttributeError, OSError, TypeError):  # not POSIX
    _sigaction = None


class HeldBack:
    """Around what must not be interrupted. Entered as False where it may be, nevertheless: another signal than SIGINT has a handler, too."""

    __slots__ = ("_handler", "_action", "_came")

    def __init__(self) -> None:
        self._handler: Optional[Callable[[int, Any], Any]] = None
        self._action: Any = None
        self._came = False

    def __enter__(self) -> bool:
        if threading.current_thread() is not threading.main_thread():
            return True  # handlers run in that one
        if _sigaction is None or any(map(callable, map(_signal.getsignal, _OTHERS))):
            return False
        handler = _signal.getsignal(_INTERRUPT)
        if callable(handler):
            action = ctypes.create_string_buffer(_SIGACTION_BYTES_MAX)
            _sigaction(_INTERRUPT, None, action)
            self._action = action
            self._handler = handler
            try:
                _signal.signal(_INTERRUPT, self._note)
            except ValueError:  # threading takes another one for it: whoever imported it first
                self._handler = None
                return False
        return True

    def __exit__(self, *_: Any) -> None:
        if self._handler is None:
            return
        try:
            _signal.signal(_INTERRUPT, self._handler)
        finally:
            _sigaction(_INTERRUPT, self._action, None)
        if self._came:
            self._handler(_INTERRUPT, sys._getframe(1))

    def _note(self, _signal_number: int, _frame: Any) -> None:
        self._came = True


def _in_child() -> None:
    """Of a fork by another thread: whoever held it back is not there."""
    handler = _signal.getsignal(_INTERRUPT)
    while isinstance(getattr(handler, "__self__", None), HeldBack):
        held = handler.__self__
        handler = held._handler
        _signal.signal(_INTERRUPT, handler)
        _sigaction(_INTERRUPT, held._action, None)


os.register_at_fork(after_in_child=_in_child)
