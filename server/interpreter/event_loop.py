"""The event loop of an I/O interpreter, on which the tasks run whose code returned a coroutine.

Embedded in the binary beside bootstrap.py. `_gild_loop` is the C++ side (event_loop.cc).

Every callback of a loop is a Handle that runs in a context; the context says whose it is. So each step of a task, of the asyncio
tasks that it makes and of its plain callbacks, is booked to it, with how long the step waited for its turn.
"""

import _gild_loop
import asyncio
import concurrent.futures
import contextvars
import types

_owner = contextvars.ContextVar("gild_task")
_owners = {}  # {serial: Owner}, those that have begun
_loop = None


class Owner:
    """A task of a client's on the loop."""

    __slots__ = ("state", "root", "children", "escaped")

    def __init__(self, state):
        self.state = state  # _gild_loop's
        self.root = None  # the asyncio task that runs its body
        self.children = set()  # those that it made, and that have not ended
        self.escaped = None  # a SystemExit that was raised beside its root


def _run_step(handle, ready_ns):
    owner = handle._context.get(_owner)
    if owner is None:
        return _run_handle(handle)
    escaped = _gild_loop.run_step(owner.state, ready_ns, _run_handle, handle)
    root = owner.root
    if root is None:
        return  # it has ended: a callback that it left behind
    if root.done():
        # Here, in nobody's step, and not in a callback of the root's: a stop must not hit what tells of its end.
        _ended(owner)
    elif escaped is not None:
        owner.escaped = escaped
        root.cancel()


class Handle(asyncio.events.Handle):
    __slots__ = ("_ready_ns",)

    def __init__(self, callback, args, loop, context=None):
        super().__init__(callback, args, loop, context)
        # asyncio's own tasks name a context when they have something to do; a reader's handle waits for its descriptor.
        self._ready_ns = 0 if context is None else _gild_loop.now_ns()

    def _run(self):
        _run_step(self, self._ready_ns)


class TimerHandle(asyncio.events.TimerHandle):
    __slots__ = ()

    def _run(self):
        _run_step(self, int(self._when * 1e9))


_run_handle = asyncio.events.Handle._run


class Pool(concurrent.futures.ThreadPoolExecutor):
    """The loop's executor, shared by its tasks: a thread works for whoever gave it what it runs."""

    def submit(self, call, /, *args, **kwargs):
        owner = _owner.get(None)
        if owner is None:
            return super().submit(call, *args, **kwargs)
        return _gild_loop.off_duty(super().submit, _gild_loop.help, owner.state, call, args, kwargs)


def _make_task(loop, coroutine, **options):
    task = asyncio.Task(coroutine, loop=loop, **options)
    owner = _owner.get(None)
    if owner is not None:
        owner.children.add(task)
        task.add_done_callback(owner.children.discard)
    return task


async def _drive(owner):
    try:
        value = _gild_loop.execute(owner.state)
        if type(value) is types.CoroutineType:
            value = await value
        return value
    finally:
        # As asyncio.run does: what the task has left running ends with it.
        while children := {child for child in owner.children if not child.done()}:
            for child in children:
                child.cancel()
            try:
                await asyncio.wait(children)
            except asyncio.CancelledError:
                pass  # asked once more: they have been asked, too


def _ended(owner):
    del _owners[_gild_loop.serial(owner.state)]
    value = error = None
    try:
        value = owner.root.result()
    except BaseException as raised:
        error = raised
    if owner.escaped is not None:
        error = owner.escaped
    if _gild_loop.ended(owner.state, value, error):
        _loop.call_soon(_gild_loop.send_ended)
    owner.root = owner.escaped = None
    owner.children.clear()


def _begin(serial, state):
    owner = _owners[serial] = Owner(state)
    context = contextvars.Context()
    context.run(_owner.set, owner)
    owner.root = asyncio.Task(_drive(owner), loop=_loop, context=context)
    if _gild_loop.stopped(state):
        owner.root.cancel()


def _take():
    for serial, state in _gild_loop.take():
        _begin(serial, state)


def stop(serial):
    """Any thread. Cancels the task, if it has begun."""
    owner = _owners.get(serial)
    root = owner.root if owner is not None else None
    if root is not None:
        _loop.call_soon_threadsafe(root.cancel)


def run(bell):
    """Runs the loop on this thread for good; `bell` is readable when there is something to take."""
    global _loop
    asyncio.events.Handle = Handle
    asyncio.events.TimerHandle = TimerHandle
    _loop = asyncio.SelectorEventLoop()
    _loop.set_task_factory(_make_task)
    _loop.set_default_executor(Pool(thread_name_prefix="gild-pool"))
    _loop.add_reader(bell, _take)
    while True:
        _loop.run_forever()  # a task may stop it: not for the others
