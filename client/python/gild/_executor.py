"""gild.Executor: a concurrent.futures.Executor whose tasks run on a gild server."""

from __future__ import annotations

import concurrent.futures
import functools
import os
import threading
import time
import types
import weakref
from typing import Any, Callable, Iterable, Mapping, Optional, Sequence, Union

import grpc

from . import _wire
from ._connection import Connection, Work
from ._fork import process
from ._functions import Functions, Prepared, name_of
from ._future import Future
from ._map import Calls, Chunks, Results
from ._options import OPTION_NAMES, Options, checked, options_of
from .errors import NotPicklable

DEFAULT_TARGET = "127.0.0.1:50051"

# How long `map` waits for the first calls to end, so that it knows how many to send together.
_MAP_PATIENCE_S = 0.05
_MAP_PATIENCE_UNCONNECTED_S = 0.2

_running: weakref.WeakSet[Connection] = weakref.WeakSet()
_exiting = False
_connecting = threading.RLock()  # in a fork


class Executor(concurrent.futures.Executor):
    """Runs calls on a gild server.

    target: the server's address. Default: $GILD_SERVER, else 127.0.0.1:50051. Nothing is connected before the first call.
    tag: "auto" (the CPU lane, until the server learns which is better), "io" for what waits, "cpu" for what computes.
    session: a name; tasks of one session share an interpreter of the I/O lane and the globals of each function.
    isolation: "shared", or "fresh" for an interpreter of its own for each call.
    limits: further gild.Options by name, such as {"timeout": 5, "memory_bytes": 2**28}.
    tls: True for the public authorities, the path of a PEM file for one's own, or grpc.ChannelCredentials. Default: none.
    token: sent with each call, as `authorization: Bearer …`.
    ship: modules that the server lacks, whose functions and classes travel by value.
    """

    def __init__(
        self,
        target: Optional[str] = None,
        *,
        tag: str = "auto",
        session: Optional[str] = None,
        isolation: Optional[str] = None,
        limits: Optional[Mapping[str, Any]] = None,
        tls: Union[None, bool, str, os.PathLike, grpc.ChannelCredentials] = None,
        token: Optional[str] = None,
        ship: Sequence[types.ModuleType] = (),
        **others: Any,
    ):
        for name in others:
            raise TypeError(_no_parameter(name, others[name]))
        self._target = target or os.environ.get("GILD_SERVER") or DEFAULT_TARGET
        _check_target(self._target)
        self._options = Options(**checked({"tag": tag, "session": session, "isolation": isolation, **(limits or {})}))
        self._credentials = _credentials(tls)
        if token is not None and not (token.isascii() and token.isprintable()):
            raise ValueError("token: printable ASCII alone")  # and is not shown
        self._metadata = (("authorization", f"Bearer {token}"),) if token else ()
        self._functions = Functions(ship)
        self._connect()

    def _connect(self) -> None:
        connection = Connection(self._target, self._credentials, self._metadata)
        _running.add(connection)
        if _exiting:
            connection.close("interpreter shutdown")
        # Without references to the executor there is nobody left to submit.
        weakref.finalize(self, connection.close, "shutdown").atexit = False
        self._connection = connection

    # ---- concurrent.futures.Executor ----

    def submit(self, fn: Callable, /, *args: Any, **kwargs: Any) -> Future:
        """Returns a future at once. Raises gild.NotPicklable, which names what cannot be sent."""
        options = options_of(fn, self._options)
        return _send(self._connection_of_this_process(), self._functions.prepare(fn, args, kwargs), options, _label(fn))

    def map(self, fn: Callable, *iterables: Iterable, timeout: Optional[float] = None, chunksize: Optional[int] = None) -> Results:
        """Like the standard executors': all iterables are read at once, results come in order, and `timeout` counts from here.

        chunksize: calls in one task. Default: as many as take a tenth of a second, found out by the first
            of them, for which it may wait 50 ms (200 where it is not connected yet); 1 where there is a limit for each, or a session.
        """
        if chunksize is not None and chunksize < 1:
            raise ValueError(f"chunksize={chunksize}: 1 at least")
        until = None if timeout is None else time.monotonic() + timeout
        options = options_of(fn, self._options)
        if chunksize is None and (options.bounds_each_call or options.session):
            chunksize = 1  # in a session as tasks of `submit` are, which have the same globals then
        if options.tag == "io":
            patience_s = 0.0  # calls wait, so they had better wait together
        else:
            patience_s = _MAP_PATIENCE_S if self._connection.is_connected() else _MAP_PATIENCE_UNCONNECTED_S
        connection, name = self._connection_of_this_process(), _label(fn)

        def send(prepared: Prepared, is_rest: bool) -> Future:
            return _send(connection, prepared, options, name, is_rest)

        return Results(Chunks(self._functions, send, connection.expect, fn, chunksize), Calls.of(iterables), until, patience_s)

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:
        """No more calls. `cancel_futures`: those that have not been given to an interpreter are cancelled; others come to their end."""
        connection = self._connection_of_this_process()
        connection.close("shutdown")
        if cancel_futures:
            connection.cancel_waiting()
        if wait:
            connection.join()

    # ---- our own ----

    def _connection_of_this_process(self) -> Connection:
        if self._connection.pid != process.pid:
            with _connecting:
                if self._connection.pid != process.pid:
                    self._connect()  # the one of our parent stayed with it
        return self._connection


def _send(connection: Connection, prepared: Prepared, options: Options, name: str, is_rest: bool = False) -> Future:
    function, arguments, buffers, by_value = prepared
    if len(arguments) + sum(buffer.nbytes for buffer in buffers) > _wire.ARGUMENTS_BYTES_MAX:
        raise NotPicklable(
            f"the arguments of {name} are {prepared.size / 2**20:.1f} MiB; {_wire.ARGUMENTS_BYTES_MAX >> 20} MiB go into one call: send parts"
        )
    task = _wire.with_arguments(_wire.call_head(options, name, function.sha256), arguments)
    future = Future(name)
    future.work = Work(connection, future, task, _wire.buffer_pieces(buffers) if buffers else (), function, by_value)
    connection.submit(future.work, is_rest)
    return future


def _label(function: Callable) -> str:
    """For people and metrics: printable ASCII, 128 bytes at most."""
    while isinstance(function, functools.partial):
        function = function.func
    return name_of(function).encode("ascii", "backslashreplace").decode()[:128]


def _no_parameter(name: str, value: Any) -> str:
    if name in OPTION_NAMES:
        return f"{name}: one of the limits, limits={{{name!r}: {value!r}}}"
    if name in ("max_workers", "initializer", "initargs", "mp_context", "max_tasks_per_child", "thread_name_prefix"):
        return f"{name}: workers are the server's, and live on between programs"
    return f"gild.Executor has no parameter {name!r}; help(gild.Executor) explains those that it has"


def _check_target(target: str) -> None:
    """What gRPC takes as well (unix:/path, dns:///name:port …) is left to it."""
    if not isinstance(target, str):
        raise TypeError(f"target={target!r}: 'HOST:PORT'")
    if not target.startswith(("unix:", "unix-abstract:", "dns:", "ipv4:", "ipv6:")):
        host, _, port = target.rpartition(":")
        if not host or "/" in host or not (port.isascii() and port.isdigit() and 0 < int(port) < 65536):
            raise ValueError(f"target={target!r}: 'HOST:PORT', such as {DEFAULT_TARGET!r}")


def _credentials(tls: Any) -> Optional[grpc.ChannelCredentials]:
    if tls is None or tls is False or isinstance(tls, grpc.ChannelCredentials):
        return tls or None
    if tls is True:
        return grpc.ssl_channel_credentials()
    with open(tls, "rb") as authority:
        return grpc.ssl_channel_credentials(authority.read())


def _at_exit() -> None:
    """As the standard executors do: what has been submitted comes to its end before the interpreter does."""
    global _exiting
    _exiting = True
    connections = list(_running)
    for connection in connections:
        connection.close("interpreter shutdown")
    for connection in connections:
        connection.join()


def _after_fork() -> None:
    """Locks may have been another thread's; connections are the parent's."""
    global _connecting
    _connecting = threading.RLock()
    _running.clear()


os.register_at_fork(after_in_child=_after_fork)
# Before threads are joined, as concurrent.futures' own; an atexit handler would come too late for the channel's thread.
threading._register_atexit(_at_exit)  # type: ignore[attr-defined]
