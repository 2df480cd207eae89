"""gild.Executor for asyncio.

    async with gild.aio.Executor(tag="io") as ex:
        page = await ex.run(fetch, url)
        async for page in ex.map(fetch, urls):
            …

`fetch` may be an `async def`: it is awaited on the server, in the I/O lane on its interpreter's event loop beside thousands of others.
"""

from __future__ import annotations

import asyncio
import collections
import itertools
from typing import Any, AsyncGenerator, AsyncIterable, AsyncIterator, Callable, Deque, Iterable, Optional, Union

from . import _executor

Items = Union[Iterable, AsyncIterable]


class Executor:
    """Takes what gild.Executor takes. To be used from one event loop."""

    def __init__(self, *args: Any, **kwargs: Any):
        self._executor = _executor.Executor(*args, **kwargs)

    def submit(self, fn: Callable, /, *args: Any, **kwargs: Any) -> asyncio.Future:
        """To be awaited now or later; to cancel it stops the task. `.gild` is the gild.Future, whose `task` says what it cost."""
        future = self._executor.submit(fn, *args, **kwargs)
        awaitable = asyncio.wrap_future(future)
        awaitable.gild = future  # type: ignore[attr-defined]
        return awaitable

    async def run(self, fn: Callable, /, *args: Any, **kwargs: Any) -> Any:
        return await self.submit(fn, *args, **kwargs)

    async def map(self, fn: Callable, items: Items, /, *, in_flight: int = 1000, in_order: bool = True) -> AsyncIterator[Any]:
        """fn(item) for each. Items, of an iterable or an asynchronous one, are read as results are: `in_flight` ahead, no more.

        in_order False: whichever ends first. What a call raised is raised here; the others are then cancelled.
        """
        if in_flight < 1:
            raise ValueError(f"in_flight={in_flight}: 1 at least")
        source = _asynchronous(items)
        under_way: Deque[asyncio.Future] = collections.deque()
        next_item: Optional[asyncio.Future] = None
        has_more = True
        try:
            while True:
                if has_more and next_item is None and len(under_way) < in_flight:
                    next_item = asyncio.ensure_future(source.__anext__())
                first = list(itertools.islice(under_way, 1 if in_order else None))
                waited_for = first + ([next_item] if next_item is not None else [])
                if not waited_for:
                    return
                done, _ = await asyncio.wait(waited_for, return_when=asyncio.FIRST_COMPLETED)
                if next_item in done:
                    try:
                        under_way.append(self.submit(fn, next_item.result()))
                    except StopAsyncIteration:
                        has_more = False
                    next_item = None
                for future in first:
                    if future in done:
                        under_way.remove(future)
                        yield future.result()
        finally:
            unfinished = [*under_way, *([next_item] if next_item is not None else [])]
            for future in unfinished:
                future.cancel()
            if next_item is not None:
                await asyncio.wait([next_item])  # the source is at work until it has heeded that
            for future in unfinished:
                if future.done() and not future.cancelled():
                    future.exception()  # nobody else will ask
            await source.aclose()

    async def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:
        self._executor.shutdown(wait=False, cancel_futures=cancel_futures)
        if wait:
            await asyncio.get_running_loop().run_in_executor(None, self._executor.shutdown)

    async def __aenter__(self) -> Executor:
        return self

    async def __aexit__(self, *_: Any) -> None:
        await self.shutdown()


async def _asynchronous(items: Items) -> AsyncGenerator[Any, None]:
    if isinstance(items, AsyncIterable):
        async for item in items:
            yield item
    else:
        for item in items:
            yield item
