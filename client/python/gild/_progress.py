"""gild.progress as it is here. Within a task `gild` is a module of the server's, whose `progress` is heard by whoever watches the task."""

from __future__ import annotations

from typing import Optional


def progress(done: int, total: Optional[int] = None) -> None:
    """How far the task is (`gild run --follow` shows it): progress(3, 10), or progress(3) where there is no total. Outside of a task: nothing."""
