"""The way of tasks to a server and back: one stream (Executor.RunStream), made anew when it breaks.

Threads: whoever submits puts work into the backlog. gRPC's thread that sends takes from it, whenever it can, as much as there is: one task
when little happens, a thousand when much does. Outcomes come to gRPC's thread that receives, which settles the futures that nobody has
put callbacks on: to pass them on first would cost whoever waits a change of threads, a fifth of a small task's time. The others are settled
by a thread of ours, "gild-stream", which also connects, so callbacks run there; those of tasks that could not be sent run in gRPC's threads.

A task beside which nothing is on its way is a call of its own (Executor.Run), made by whoever submits it: two threads need not be woken then,
of which one would send it, and the other wait for the stream's next message. (A small task's round trip is over in 0.86 to 0.96 of the time, by
three runs of twelve to twenty pairs.) In the main thread, signals' handlers run after that. Where the server refuses it, it joins the others.
"""

from __future__ import annotations

import collections
import itertools
import logging
import threading
import time
from typing import Any, Callable, Deque, Dict, Iterator, List, Optional, Sequence, Set, Tuple

import grpc

from . import _wire, errors
from ._fork import asking, cancel, process, renew_lock_in_child, sending
from ._functions import Pickled
from ._interrupts import HeldBack
from ._session import STORING_MAX, Doorbell, Session, Work
from .v1 import executor_pb2, monitor_pb2

# How long a server may take to answer the first call; and to come back, where there was one.
CONNECT_TIMEOUT_S = 5.0
RECONNECT_TIMEOUT_S = 10.0
# A server that answers but does not take the stream is tried so often, with a pause.
_STREAM_TRIES_MAX = 3
_PAUSE_S = 0.2

# Of one message. What is more goes into the next. (Of 256 a message 35,000 no-ops a second were sent, of 2048 42,000.)
_BATCH_TASKS_MAX = 2048
_BATCH_BYTES_MAX = 1 << 20
# Functions known to be there. (It keeps as many: server/task/capacity.h.)
_STORED_MAX = 4096

_OPTIONS = (
    ("grpc.max_receive_message_length", -1),
    ("grpc.max_send_message_length", -1),
    ("grpc.initial_reconnect_backoff_ms", 100),
    ("grpc.min_reconnect_backoff_ms", 100),
    ("grpc.max_reconnect_backoff_ms", 1000),
    # A server that is silently gone is found out, also by tasks that take an hour.
    ("grpc.keepalive_time_ms", 30_000),
    ("grpc.keepalive_timeout_ms", 10_000),
    ("grpc.http2.max_pings_without_data", 0),
)

_UNKNOWN = "It had the task: whether that has run is not known"

_log = logging.getLogger("gild")


class _Batch:
    """What is to be done next."""

    def __init__(self) -> None:
        self.message = b""
        self.to_cancel: List[Any] = []  # calls of their own
        self.to_store: List[Pickled] = []  # before what calls them is sent
        self.unreadable: List[Work] = []  # for the server's Python


class Connection:
    def __init__(self, target: str, credentials: Optional[grpc.ChannelCredentials], metadata: Sequence[Tuple[str, str]]):
        self.pid = process.pid
        self._target = target
        self._credentials = credentials
        self._metadata = tuple(metadata)
        # Of what is below; never held while gRPC or a user is called. One for all of it: a finalizer that submits may come upon whoever has it,
        # and would take two in the wrong order.
        self._lock = threading.RLock()
        self._closed_because = ""
        self._backlog: Deque[Work] = collections.deque()
        self._cancelled: Deque[Work] = collections.deque()
        self._expected: Deque[Pickled] = collections.deque(maxlen=STORING_MAX)  # functions
        self._withdraws = False  # what is in flight, as soon as something can be sent
        self._takes_back = False  # what the server refuses from now on is cancelled, not sent again
        self._session: Optional[Session] = None
        self._ids = itertools.count(1)
        self._doorbell = Doorbell()  # of our own thread, while there is no session
        self._thread: Optional[threading.Thread] = None
        self._settling: Set[threading.Thread] = set()  # what went alone, beside our own thread

    # ---- any thread ----

    def submit(self, work: Work, is_rest: bool = False) -> None:
        """Raises RuntimeError once it is closed; but for the rest of a task that is under way until this returns."""
        try:
            if not self._is_sent_alone(work):
                self._queue(work, is_rest)
        except BaseException:
            work.future.cancel()  # nobody has it
            raise

    def _is_sent_alone(self, work: Work) -> bool:
        session = self._session
        if session is None or not session.would_be_alone(work):  # a look, which spares a burst all that follows
            return False
        with HeldBack() as is_undisturbed:
            return is_undisturbed and self._goes_alone(work)

    def _queue(self, work: Work, is_rest: bool) -> None:
        with self._lock:
            if self._closed_because and not is_rest:
                raise RuntimeError(f"cannot schedule new futures after {self._closed_because}")
            is_taken_back = is_rest and self._takes_back
            if not is_taken_back:
                self._backlog.append(work)
                if self._thread is None:
                    self._start()
        if is_taken_back:
            work.future.cancel()
            return
        session = self._session
        if session is None or len(session.in_flight) < session.tasks_max:  # otherwise outcomes ring
            self._ring()

    def expect(self, function: Pickled) -> None:
        """Stores it soon, so that the calls of it that may come do not wait for that, while others overtake them."""
        self._expected.append(function)
        self._ring()

    def _start(self) -> None:
        self._thread = thread = threading.Thread(target=self._run, name="gild-stream", daemon=True)
        try:
            with HeldBack():  # Ctrl-C within leaves threading's own locks held
                thread.start()
        except BaseException:
            if not thread.is_alive():  # there may be no more threads; where it comes yet, it sees that it is not wanted
                self._thread = None
            raise

    def is_connected(self) -> bool:
        return self._session is not None

    def close(self, because: str) -> None:
        """What is under way comes to its end."""
        with self._lock:
            self._closed_because = self._closed_because or because
        self._ring()

    def cancel_waiting(self) -> None:
        """What the server does not have yet, at once; what waits in its queue, as soon as it says so. What runs goes on, as does what
        went alone: a call that waits cannot be told from one that runs."""
        with self._lock:
            session = self._session
            storing = () if session is None else session.without_function.values()
            waiting = [*self._backlog, *itertools.chain.from_iterable(storing)]
            self._withdraws = self._takes_back = True
        self._ring()
        for work in waiting:
            work.future.cancel()

    def join(self) -> None:
        """REQUIRES: close."""
        thread = self._thread
        if thread is not None:
            if threading.current_thread() in self._settling:
                raise RuntimeError("cannot join current thread")  # as our own thread says, which waits for this one
            thread.join()
            self._thread = None  # gRPC may know us for a while, and nobody needs it any more

    def cancel(self, work: Work) -> None:
        self._cancelled.append(work)
        self._ring()

    def _ring(self) -> None:
        session = self._session
        (self._doorbell if session is None else session.doorbell).ring()

    def _ring_for_room(self, session: Session) -> None:
        """Outcomes have made room: to send a few tasks for each few outcomes would cost more than the tasks do."""
        room, waiting = session.tasks_max - len(session.in_flight), len(self._backlog)
        if self._closed_because or (waiting and room >= min(waiting, session.worthwhile_room)):
            session.doorbell.ring()

    # ---- whoever submits, and then gRPC's thread that receives: of a task that goes alone ----

    def _goes_alone(self, work: Work) -> bool:
        """Where nothing is on its way beside it; otherwise nothing has been done. REQUIRES: no signal's handler raises meanwhile."""
        if not process.calls.acquire(blocking=False):
            return False  # whoever forks holds them for seconds, and Ctrl-C would have to wait
        try:
            with self._lock:
                session = self._session
                if session is None or self._closed_because or self._backlog or not session.would_be_alone(work):
                    return False
                session.alone = work
                work.client_id = next(self._ids)
            self._run_alone(session, work)
            return True
        finally:
            process.calls.release()

    def _run_alone(self, session: Session, work: Work) -> None:
        try:
            work.call = session.run.future(_wire.run_request(work.task, work.buffers), metadata=self._metadata)
            is_under_way = work.call.add_callback(lambda: self._ended_alone(session, work))
        except ValueError:  # the channel is closed: the session is over, and this was to be in the next
            session.forget_alone(work)
            session.doorbell.ring()
            work.client_id = 0
            self._send_again([work])
            return
        except BaseException:  # there may be a call, whose reply would be taken for the next one's
            session.is_lost_because = "a call could not be made"
            with self._lock:
                session.is_over = True  # what is submitted from then on is for the next
            cancel(session.replies)
            raise
        if not is_under_way:
            self._ended_alone(session, work)
        call = work.call
        if call is not None and work.future.cancelled():  # whoever cancelled it may have come before there was a call
            cancel(call)

    def _received_alone(self, session: Session, reply: bytes) -> bool:
        """gRPC holds a lock of the call: whoever makes it may hold one of ours."""
        session.outcome_alone = executor_pb2.RunReply.FromString(reply).outcome
        return True  # None would say that it cannot be read

    def _leave(self, session: Session, work: Work, outcome: Any) -> None:
        """For the thread that reads; for another, where that one waits for the stream."""
        with self._lock:
            waits = session.is_reading
            if not waits:
                session.left.append((work, outcome))
        if not waits:
            session.something_to_read.ring()
            return
        try:
            threading.Thread(target=self._settle_beside, args=(session, work, outcome), name="gild-callbacks", daemon=True).start()
        except RuntimeError:  # no more threads
            self._settle_alone(session, work, outcome)

    def _settle_beside(self, session: Session, work: Work, outcome: Any) -> None:
        me = threading.current_thread()
        self._settling.add(me)
        self._settle_alone(session, work, outcome)
        self._settling.discard(me)

    def _settle_alone(self, session: Session, work: Work, outcome: Any) -> None:
        self._deliver(work, outcome)
        session.forget_alone(work)
        self._ring_for_room(session)

    def _ended_alone(self, session: Session, work: Work) -> None:
        call, work.call = work.call, None  # its finalizer takes a lock of its own, which is not for the main thread
        outcome, session.outcome_alone = session.outcome_alone, None
        if session.alone is not work:
            return  # as is known already
        if outcome is not None:
            if not self._closed_because and work.future.deliver_silently(outcome):
                session.forget_alone(work)
                self._ring_for_room(session)
            else:
                self._leave(session, work, outcome)
            return
        code = call.code()
        refused = _was_refused(call)
        if code is grpc.StatusCode.UNAVAILABLE and not refused:
            # The stream breaks, too, and nobody is to hear of the one before the other: what is submitted from then on is for the next session.
            session.is_lost_because = _words(call)
            session.replies.cancel()  # whoever forks waits for this thread of gRPC's, which cannot wait for the fork
            return
        if refused:
            work.client_id = 0
            if self._takes_back:
                work.future.cancel()
            else:
                self._send_again([work])  # by the stream, where it is refused again, or waits
        else:
            work.future.fail(errors.ConnectionLost(f"{self._target}: {_words(call)}. {_UNKNOWN}"))
        session.forget_alone(work)  # not sooner: something is always under way until it has ended
        self._ring()
        session.doorbell.ring()

    # ---- gRPC's thread that sends ----

    def _requests(self, session: Session) -> Iterator[bytes]:
        while True:
            if session.in_flight:
                session.something_to_read.ring()  # here, as what has been sent comes first
            with self._lock:
                if session.is_over:
                    return
                batch = self._next_batch(session)
            for call in batch.to_cancel:
                cancel(call)
            for work in batch.unreadable:
                work.future.fail(session.other_python(work))
            for function in batch.to_store:
                self._store(session, function)
            if batch.message:
                with sending():
                    yield batch.message
            elif self._is_finished(session):
                cancel(session.replies)  # nothing of ours is there any more, so no word is waited for
                return
            else:
                pause_s = self._pause_s(session)
                # A pause that has begun meanwhile is news, too: nothing else would end the wait.
                session.doorbell.wait(
                    lambda: self._has_news(session) or (pause_s is None and self._pause_s(session) is not None), pause_s
                )

    def _has_news(self, session: Session) -> bool:
        may_send = self._expected or self._cancelled or self._withdraws or (self._backlog and session.may_send())
        return bool(session.is_over or may_send or self._is_finished(session))

    def _pause_s(self, session: Session) -> Optional[float]:
        """How long what waits has to; None: there is no pause, or nothing waits."""
        pause_s = session.paused_until - time.monotonic() if self._backlog and session.paused_until else 0.0
        return pause_s if pause_s > 0 else None

    def _is_finished(self, session: Session) -> bool:
        return self._is_done() and not session.has_any() and session.replies is not None

    def _next_batch(self, session: Session) -> _Batch:
        batch = _Batch()
        pieces: List[Any] = []
        if self._cancelled:
            cancelled = list(_popped(self._cancelled))
            batch.to_cancel = [call for work in cancelled if work is session.alone and (call := work.call) is not None]
            streamed = [work.client_id for work in cancelled if work.client_id in session.in_flight]
            if streamed:
                pieces.append(_wire.cancellation(streamed))
        if self._withdraws:
            self._withdraws = False
            pieces.append(_wire.withdrawal(list(session.in_flight)))
        backlog, in_flight, stored = self._backlog, session.in_flight, session.stored
        for function in _popped(self._expected):
            sha256 = function.sha256
            if sha256 not in stored and sha256 not in session.without_function and len(session.without_function) < STORING_MAX:
                session.without_function[sha256] = []
                batch.to_store.append(function)
        tasks = size = 0
        while backlog and tasks < _BATCH_TASKS_MAX and session.may_send():
            work = backlog[0]
            work_size = work.size()
            if tasks and size + work_size > _BATCH_BYTES_MAX:
                break
            backlog.popleft()
            if work.future.done():
                continue  # cancelled
            if not session.can_read(work):
                batch.unreadable.append(work)
                continue
            sha256 = work.function.sha256
            if sha256 not in stored:
                if sha256 not in session.without_function:
                    batch.to_store.append(work.function)
                session.without_function.setdefault(sha256, []).append(work)
                continue
            work.client_id = client_id = next(self._ids)
            in_flight[client_id] = work
            pieces += (_wire.stream_task(client_id, work_size), work.task)
            if work.buffers:
                pieces += work.buffers
            tasks += 1
            size += work_size
        batch.message = b"".join(pieces)
        return batch

    def _store(self, session: Session, function: Pickled) -> None:
        request = executor_pb2.PutFunctionRequest(pickled_function=function.data)
        try:
            with process.calls:
                call = session.put_function.future(request, metadata=self._metadata)
        except ValueError:  # the channel is closed: the session is over, and what waits in it is sent in the next
            return
        call.add_done_callback(lambda put: self._stored(session, function, put))

    def _stored(self, session: Session, function: Pickled, put: Any) -> None:
        code = put.code()
        with self._lock:
            waiting = session.without_function.pop(function.sha256, [])
            if code == grpc.StatusCode.OK:
                if len(session.stored) >= _STORED_MAX:
                    session.stored.clear()
                session.stored.add(function.sha256)
            if code in (grpc.StatusCode.OK, grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.CANCELLED):
                # Where the server goes away the stream breaks, too, and they are sent when it is back.
                self._backlog.extendleft(reversed(waiting))
                waiting = []
                if code != grpc.StatusCode.OK:
                    session.paused_until = time.monotonic() + _PAUSE_S
        for work in waiting:
            work.future.fail(errors.Refused(f"{function.name} was not stored: {_words(put)}"))
        self._ring()
        session.doorbell.ring()

    # ---- our own thread, which connects and receives ----

    def _run(self) -> None:
        with self._lock:
            if self._thread is not threading.current_thread():
                return
        try:
            self._serve()
        except BaseException as error:
            _log.exception("gild-stream ended")
            self.close(f"its connection failed ({error!r})")
            self._end_session(f"the connection failed ({error!r})")
            self._fail_waiting(lambda: errors.GildError(f"the connection failed: {error!r}"))

    def _serve(self) -> None:
        patience_s = 0.0
        in_vain = 0
        while not self._is_done():
            if not self._drop_cancelled():
                self._doorbell.wait(lambda: self._backlog or self._closed_because)
                continue
            channel = self._open_channel()
            try:
                session = self._connect(channel, patience_s)
                if session is None:
                    patience_s = 0.0  # it has had its time
                    continue
                patience_s = RECONNECT_TIMEOUT_S
                ended = self._receive(session)
                in_vain = 0 if session.has_replied else in_vain + 1
            finally:
                asking(channel.close)
            if in_vain >= _STREAM_TRIES_MAX:
                self._fail_waiting(lambda: errors.Unavailable(f"{self._target} {ended}"))
                in_vain = 0
            elif in_vain and self._backlog:
                self._doorbell.wait(lambda: not self._backlog, _PAUSE_S)

    def _is_done(self) -> bool:
        return bool(self._closed_because) and not self._backlog

    def _drop_cancelled(self) -> bool:
        """Whether anything is left."""
        with self._lock:
            while self._backlog and self._backlog[0].future.done():
                self._backlog.popleft()
            return bool(self._backlog)

    def _open_channel(self) -> grpc.Channel:
        with process.calls:
            if self._credentials is None:
                return grpc.insecure_channel(self._target, _OPTIONS)
            return grpc.secure_channel(self._target, self._credentials, _OPTIONS)

    def _connect(self, channel: grpc.Channel, patience_s: float) -> Optional[Session]:
        """None: in vain, and whoever waited has been told."""
        get_info = channel.unary_unary(
            "/gild.v1.Monitor/GetInfo", monitor_pb2.GetInfoRequest.SerializeToString, monitor_pb2.Info.FromString
        )
        try:
            with process.calls:
                asked = get_info.future(
                    monitor_pb2.GetInfoRequest(),
                    metadata=self._metadata,
                    wait_for_ready=patience_s > 0,
                    timeout=patience_s or CONNECT_TIMEOUT_S,
                )
            renew_lock_in_child(channel, asked)
            info = asked.result()
        except grpc.RpcError as error:
            told = _not_there(self._target, error, patience_s)
            self._fail_waiting(lambda: type(told)(*told.args))
            return None
        put_function = channel.unary_unary(
            "/gild.v1.Executor/PutFunction",
            executor_pb2.PutFunctionRequest.SerializeToString,
            executor_pb2.PutFunctionReply.FromString,
        )
        session = Session(info.stream_tasks_max or 1, _minor(info.python_version), put_function)
        # gRPC calls what makes messages of bytes in its thread that receives, as soon as they are there.
        run_stream = channel.stream_stream("/gild.v1.Executor/RunStream", bytes, lambda reply: self._received(session, reply))
        session.run = channel.unary_unary("/gild.v1.Executor/Run", None, lambda reply: self._received_alone(session, reply))
        self._session = session  # from here on its doorbell is rung
        with process.calls:
            session.replies = run_stream(self._requests(session), metadata=self._metadata)
        renew_lock_in_child(channel, session.replies)
        if not session.replies.add_callback(session.end):
            session.end()
        session.doorbell.ring()
        return session

    def _receive(self, session: Session) -> str:
        """Until the stream ends; how it did."""
        ended = "ended the stream"
        try:
            while True:
                # Not before something is expected: to ask for the next message takes as long as a small task does, sends a message itself,
                # and would be done while whoever got the last outcome goes on.
                session.something_to_read.wait(lambda: session.left or session.in_flight or session.has_ended)
                with self._lock:
                    left, session.left = session.left, []
                    session.is_reading = not left and bool(session.in_flight or session.has_ended)
                for each in left:
                    self._settle_alone(session, *each)
                if session.is_reading:
                    items = asking(next, session.replies)
                    session.is_reading = False
                    session.has_replied = True
                    self._take(session, items)
                    self._ring_for_room(session)
                left = items = each = None  # keeps nothing while it waits for the next
        except StopIteration:
            pass
        except grpc.RpcError as error:
            ended = f"is gone: {session.is_lost_because or _words(error)}"
            error.__traceback__ = None  # it is `replies` itself, and would keep this thread's frames
        self._end_session(f"{self._target} {ended}")
        return ended

    def _received(self, session: Session, reply: bytes) -> List[Any]:
        """In gRPC's thread: what is left for ours."""
        left = []
        in_flight, closed = session.in_flight, self._closed_because
        for item in executor_pb2.RunStreamReply.FromString(reply).outcomes:
            client_id = item.client_id
            work = in_flight.get(client_id)
            if work is not None and not closed and item.HasField("outcome") and work.future.deliver_silently(item.outcome):
                in_flight.pop(client_id, None)
            else:
                left.append(item)
        return left

    def _take(self, session: Session, items: List[Any]) -> None:
        refused = []
        for item in items:
            work = session.in_flight.get(item.client_id)
            if work is None:
                continue
            if item.HasField("outcome"):
                self._deliver(work, item.outcome)
                session.in_flight.pop(item.client_id, None)  # not sooner: callbacks may send more, and while there is some we go on
            else:
                session.in_flight.pop(item.client_id, None)
                refused += self._refused(session, work, _wire.Refusal(item.refusal))
        if refused:
            self._send_again(refused)
            session.doorbell.ring()

    def _deliver(self, work: Work, outcome: Any) -> None:
        if self._closed_because and _wire.never_began(outcome):
            work.future.cancel()
        work.future.deliver(outcome)

    def _send_again(self, works: List[Work]) -> None:
        with self._lock:
            self._backlog.extendleft(reversed(works))

    def _refused(self, session: Session, work: Work, refusal: _wire.Refusal) -> List[Work]:
        """Those to be sent once more."""
        work.client_id = 0
        if refusal.reason == "FUNCTION_MISSING":  # the server's store is bounded
            with self._lock:
                session.stored.discard(work.function.sha256)
        elif refusal.retry_s is not None:
            session.paused_until = time.monotonic() + refusal.retry_s
        else:
            work.future.fail(refusal.as_error())
            return []
        if self._takes_back:
            work.future.cancel()
            return []
        return [work]

    def _end_session(self, why: str) -> None:
        with self._lock:
            session, self._session = self._session, None
            if session is None:
                return
            session.is_over = True
            self._cancelled.clear()
            self._backlog.extendleft(reversed([*itertools.chain.from_iterable(session.without_function.values())]))
            session.without_function.clear()
        session.doorbell.ring()
        lost = list(session.in_flight.values())
        session.in_flight.clear()
        if session.alone is not None:
            lost.append(session.alone)
            session.alone = None
        for work in lost:
            work.future.fail(errors.ConnectionLost(f"{why}. {_UNKNOWN}"))

    def _fail_waiting(self, error: Callable[[], Exception]) -> None:
        with self._lock:
            waiting = list(_popped(self._backlog))
        for work in waiting:
            work.future.fail(error())


def _popped(deque: Deque) -> Iterator[Any]:
    while deque:
        yield deque.popleft()


def _minor(version: str) -> Tuple[int, ...]:
    return tuple(int(part) for part in version.split(".")[:2] if part.isdigit())


def _was_refused(call: Any) -> bool:
    """By the server, in its own words, so that the task has not run. (proto/gild/v1/executor.proto)"""
    return any(key == "grpc-status-details-bin" for key, _ in call.trailing_metadata() or ())


def _words(error: Any) -> str:
    return error.details() or error.code().name


def _not_there(target: str, error: Any, patience_s: float) -> errors.GildError:
    if error.code() == grpc.StatusCode.DEADLINE_EXCEEDED:
        how = f"is gone, and was not back within {patience_s:g} s" if patience_s else "did not answer in time"
        return errors.Unavailable(f"{target} {how}")
    if error.code() == grpc.StatusCode.UNAVAILABLE:
        return errors.Unavailable(f"no server at {target} ({_words(error)}); start one with `./run server`, or name another")
    return errors.Unavailable(f"{target} answers, but not as a gild server does: {_words(error)}")

