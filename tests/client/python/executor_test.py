"""gild.Executor against a server: what it does beyond the standard executors (standard_library_test.py)."""

import asyncio
import concurrent.futures
import contextlib
import dis
import functools
import gc
import itertools
import pickle
import queue
import signal
import sys
import threading
import time
import types
import unittest
import weakref

import grpc
import serving
import gild


def noop():
    return None


def square(x):
    return x * x


def fails(x):
    if x == 3:
        raise KeyError(x)
    return x


class OwnError(Exception):
    def __init__(self, code, *, detail):
        super().__init__(code)
        self.detail = detail

    def __reduce__(self):
        return _own_error, (self.args[0], self.detail)


def _own_error(code, detail):
    return OwnError(code, detail=detail)


class Reader:
    """Unpickled, the thread that did it."""

    def __reduce__(self):
        return threading.current_thread, ()


class Unsendable(Exception):
    def __init__(self):
        super().__init__("no")
        self.lock = threading.Lock()


def raise_it(kind, *args, **kwargs):
    raise kind(*args, **kwargs)


def gate(name):
    """Of that name, in the interpreter that all tasks of the I/O lane share."""
    import sys
    import threading

    return sys.__dict__.setdefault("gates", {}).setdefault(name, threading.Event())


gate_numbers = itertools.count()


def wait_for_gate(name):
    gate(name).wait()


def open_gate(name):
    gate(name).set()


def setUpModule():
    global server
    server = serving.Server()
    unittest.addModuleCleanup(server.stop)


class RemoteTest(unittest.TestCase):
    options = {"tag": "cpu"}

    def setUp(self):
        self.executor = gild.Executor(server.target, **self.options)
        self.addCleanup(self.executor.shutdown)

    def submit(self, *args, **kwargs):
        return self.executor.submit(*args, **kwargs)


class SubmitTest(RemoteTest):
    def test_functions_of_main_lambdas_and_bound_methods_run(self):
        three = 3
        self.assertEqual(self.submit(square, 5).result(), 25)
        self.assertEqual(self.submit(lambda x: x * three, 5).result(), 15)
        self.assertEqual(self.submit("a-b".split, "-").result(), ["a", "b"])

    def test_its_future_says_what_the_task_cost(self):
        future = self.submit(square, 2)
        future.result()
        task = future.task
        self.assertEqual((task.ending, task.lane), ("SUCCEEDED", "CPU_LANE"))
        self.assertEqual(len(task.id), 36)
        self.assertGreater(task.usage.run, 0)
        self.assertGreater(task.lock.takes, 0)
        self.assertTrue(task.usage.interpreter.startswith("cpu-"))

    def test_a_function_that_tells_its_progress_runs_here_and_there(self):
        def tells(x):
            gild.progress(x, 10)
            return x

        self.assertEqual((tells(1), self.submit(tells, 2).result()), (1, 2))

    def test_what_it_prints_is_in_its_task(self):
        future = self.submit(print, "hello")
        future.result()
        self.assertEqual(future.task.stdout, b"hello\n")

    def test_a_futures_task_is_none_before_it_has_ended(self):
        future = self.submit(time.sleep, 60)
        self.assertIsNone(future.task)
        future.cancel()

    def test_results_are_unpickled_by_who_asks(self):
        future = self.submit(Reader)
        concurrent.futures.wait([future])
        self.assertIs(serving.in_another_thread(future.result), future.result())
        self.assertIsNot(future.result(), threading.main_thread())
        self.assertIs(self.submit(Reader).result(), threading.main_thread())

    def test_a_snapshot_for_asyncio_is_what_has_come(self):
        running = self.submit(time.sleep, 60)
        self.assertEqual(running._get_snapshot(), (False, False, None, None))
        running.cancel()
        self.assertEqual(running._get_snapshot(), (True, True, None, None))
        future = self.submit(pow, 2, 5)
        concurrent.futures.wait([future])
        self.assertEqual(future._get_snapshot(), (True, False, 32, None))
        failed = self.submit(divmod, 1, 0)
        concurrent.futures.wait([failed])
        self.assertEqual(failed._get_snapshot(), (True, False, None, failed.exception()))

    def test_a_coroutine_function_is_awaited_there(self):
        async def doubled(x):
            await asyncio.sleep(0)
            return 2 * x

        self.assertEqual(self.submit(doubled, 4).result(), 8)

    def test_what_cannot_be_pickled_is_an_error_of_submit(self):
        with self.assertRaisesRegex(gild.NotPicklable, "argument 1 of square, of type lock"):
            self.submit(square, threading.Lock())

    def test_arguments_beyond_a_message_are_an_error_of_submit(self):
        with self.assertRaisesRegex(gild.NotPicklable, "the arguments of len are 60.0 MiB; 47 MiB go into one call"):
            self.submit(len, bytes(60 << 20))

    def test_large_arguments_and_results_arrive(self):
        data = bytes(20 << 20)
        self.assertEqual(len(self.submit(bytes, data).result()), len(data))

    def test_buffers_arrive_writable(self):
        def change(array):
            array[0] = 7
            return array

        self.assertEqual(self.submit(change, bytearray(1 << 20)).result()[0], 7)

    def test_numpy_arrays_travel_beside_the_pickle(self):
        import numpy

        array = numpy.arange(1 << 18, dtype=numpy.float64)
        doubled = self.submit(lambda a: (a.__imul__(2), a.flags.writeable)[0], array).result()
        self.assertTrue((doubled == 2 * array).all() and doubled.flags.writeable)


class ErrorTest(RemoteTest):
    def test_exceptions_come_back_as_themselves(self):
        with self.assertRaises(KeyError) as caught:
            self.submit(fails, 3).result()
        self.assertEqual(caught.exception.args, (3,))
        self.assertIn("raise KeyError(x)", str(caught.exception.__cause__))
        self.assertNotIn("<gild>", str(caught.exception.__cause__))

    def test_so_do_those_with_a_say_in_how_they_are_pickled(self):
        error = self.submit(raise_it, OwnError, 5, detail="d").exception()
        self.assertEqual((type(error).__name__, error.args, error.detail), ("OwnError", (5,), "d"))

    def test_one_that_cannot_be_sent_is_told_as_text(self):
        error = self.submit(raise_it, Unsendable).exception()
        self.assertIsInstance(error, gild.RemoteError)
        self.assertEqual(error.type_name, "Unsendable")
        self.assertIn("Unsendable: no", str(error))

    def test_a_result_that_cannot_be_pickled_is_the_tasks_exception(self):
        with self.assertRaisesRegex(TypeError, "^what the task returned cannot be pickled: cannot pickle '_thread.lock' object"):
            self.submit(threading.Lock).result()

    def test_other_endings_have_a_class_each_and_their_evidence(self):
        def exits():
            raise SystemExit(3)

        def crashes():
            import os
            import signal

            os.kill(os.getpid(), signal.SIGSEGV)

        error = self.submit(exits).exception()
        self.assertIsInstance(error, gild.Exited)
        self.assertEqual(error.evidence.exit_code, 3)
        self.assertRegex(str(error), "EXITED: exit code 3$")
        error = self.submit(crashes).exception()
        self.assertIsInstance(error, gild.Crashed)
        self.assertEqual((error.ending, error.safe_to_retry), ("CRASHED", False))
        with gild.options(timeout=0.1):
            error = self.submit(time.sleep, 60).exception()
        self.assertIsInstance(error, gild.TimedOut)
        self.assertEqual(error.evidence.allowed, 100_000_000)
        with gild.options(memory_bytes=64 << 20):
            error = self.submit(lambda: bytearray(1 << 30)).exception()
        self.assertIsInstance(error, gild.MemoryLimit)
        self.assertRegex(str(error), "MEMORY_LIMIT: limit memory, 64 MiB allowed")
        with gild.options(result_bytes=1000):
            self.assertIsInstance(self.submit(bytes, 2000).exception(), gild.ResultLimit)
        with gild.options(result_bytes=2 << 30):
            error = self.submit(bytes, 33 << 20).exception()
        self.assertRegex(str(error), r"limit result, 32 MiB allowed, 33 MiB used \(limits.result_bytes lowered from 2147483648 bytes to the server's ceiling")

    def test_task_errors_can_be_pickled(self):
        with gild.options(timeout=0.1):
            error = self.submit(time.sleep, 60).exception()
        again = pickle.loads(pickle.dumps(error))
        self.assertEqual((type(again), again.args, again.task), (type(error), error.args, error.task))

    def test_a_refused_task_names_the_field(self):
        with gild.options(tag="io", memory_bytes=1 << 20):
            error = self.submit(noop).exception()
        self.assertIsInstance(error, gild.Refused)
        self.assertEqual(error.field, "task.limits.memory_bytes")

    def test_a_missing_module_is_named_and_how_to_ship_it(self):
        module = types.ModuleType("only_here")
        exec("def f(): return 5", vars(module))
        sys.modules["only_here"] = module
        self.addCleanup(sys.modules.pop, "only_here")
        with self.assertRaisesRegex(ModuleNotFoundError, r"no module named 'only_here'; send it along with gild.Executor\(ship=\[only_here\]\)"):
            self.submit(module.f).result()
        with gild.Executor(server.target, ship=[module]) as executor:
            self.assertEqual(executor.submit(module.f).result(), 5)

    def test_what_to_do_about_a_missing_module_depends_on_whose_it_is(self):
        def imports_own():
            import only_here

        module = types.ModuleType("only_here")
        sys.modules["only_here"] = module
        self.addCleanup(sys.modules.pop, "only_here")
        error = self.submit(imports_own).exception()
        self.assertRegex(str(error), "'only_here'; import it outside of the function, and send it along with gild.Executor")
        self.assertIn(str(error), repr(error))
        for name, words in (
            ("cloudpickle", "the server's Python has no cloudpickle, .* its administrator installs it"),
            ("nowhere.part", "the server has no module named 'nowhere.part'; nor is there one here"),
            ("grpc.part", "the server has no module named 'grpc.part': its administrator installs it"),
        ):
            self.assertRegex(str(self.submit(raise_it, ModuleNotFoundError, "No module", name=name).exception()), f"^{words}$")


class CancelTest(RemoteTest):
    def test_a_running_task_is_stopped(self):
        future = self.submit(time.sleep, 60)
        while not future.running():
            time.sleep(0.001)  # there is no word of it to wait for
        self.assertTrue(future.cancel())
        self.assertTrue(future.cancelled() and future.done())
        self.assertTrue(future.cancel())
        with self.assertRaises(concurrent.futures.CancelledError):
            future.result()
        # The slot is free again: both would wait a minute for it.
        concurrent.futures.wait([self.submit(noop), self.submit(noop)])

    def test_what_has_ended_cannot_be_cancelled(self):
        future = self.submit(noop)
        future.result()
        self.assertFalse(future.cancel())

    def test_waiters_and_callbacks_hear_of_it(self):
        future, called = self.submit(time.sleep, 60), []
        future.add_done_callback(called.append)
        future.cancel()
        self.assertEqual(called, [future])
        self.assertEqual(concurrent.futures.wait([future]).done, {future})

    def test_shutdown_may_cancel_what_waits(self):
        futures = [self.submit(time.sleep, 0.1) for _ in range(50)]
        concurrent.futures.wait(futures, return_when=concurrent.futures.FIRST_COMPLETED)
        self.executor.shutdown(cancel_futures=True)
        cancelled = [future for future in futures if future.cancelled()]
        self.assertGreater(len(cancelled), 20)
        for future in set(futures) - set(cancelled):
            self.assertIsNone(future.result(timeout=0))


class AloneTest(RemoteTest):
    """A task beside which nothing is on its way is a call of its own, once its function is known to the server."""

    options = {"tag": "io"}

    def setUp(self):
        super().setUp()
        self.other = gild.Executor(server.target, **self.options)
        self.addCleanup(self.other.shutdown)
        self.other.submit(open_gate, "").result()
        self.submit(wait_for_gate, "").result()
        self.session = self.executor._connection._session

    def submit_alone(self):
        """Its future, and what lets it go on."""
        self.await_nothing_in_flight()
        name = f"{self.id()} {next(gate_numbers)}"  # one that nobody has opened
        future = self.submit(wait_for_gate, name)
        self.assertIs(self.session.alone, future.work)
        self.assertTrue(future.running())
        return future, lambda: self.other.submit(open_gate, name).result()

    def await_nothing_in_flight(self):
        """Whoever waits for an outcome has it a moment before its task is forgotten, and the stream read no more."""
        while self.session.has_any() or self.session.is_reading:
            time.sleep(0.001)

    def name_of_caller(self, future):
        names = queue.SimpleQueue()
        future.add_done_callback(lambda _: names.put(threading.current_thread().name))
        return names

    def test_the_next_one_goes_by_the_stream_while_it_is_under_way(self):
        future, let_go = self.submit_alone()
        self.assertEqual(self.submit(pow, 2, 3).result(), 8)
        let_go()
        self.assertIsNone(future.result())
        self.assertEqual(future.task.ending, "SUCCEEDED")

    def test_callbacks_run_in_the_thread_that_is_there_for_them(self):
        future, let_go = self.submit_alone()
        names = self.name_of_caller(future)
        let_go()
        self.assertEqual(names.get(), "gild-stream")

    def test_any_threads_goes_alone(self):
        future, let_go = self.submit_alone()
        let_go()
        self.assertIsNone(future.result())
        self.await_nothing_in_flight()
        future, let_go = serving.in_another_thread(self.submit_alone)
        let_go()
        self.assertIsNone(future.result())

    def test_an_interrupt_while_grpc_is_called_is_raised_afterwards_and_stops_the_task(self):
        serving.raise_interrupts(self)
        self.await_nothing_in_flight()
        run, calls = self.session.run, []

        def interrupted(request, **options):
            signal.raise_signal(signal.SIGINT)
            calls.append(run.future(request, **options))
            return calls[-1]

        self.session.run = types.SimpleNamespace(future=interrupted)
        with self.assertRaises(KeyboardInterrupt):
            self.submit(wait_for_gate, self.id())
        self.session.run = run
        self.assertEqual(calls.pop().code(), grpc.StatusCode.CANCELLED)
        self.await_nothing_in_flight()
        self.assertEqual(self.submit(pow, 2, 4).result(), 16)

    def test_an_interrupt_may_come_anywhere(self):
        serving.raise_interrupts(self)
        interrupted = 0
        for place in range(1, 200):
            self.await_nothing_in_flight()
            try:
                with interrupted_at(place):
                    self.submit(pow, 2, 3)
            except KeyboardInterrupt:
                interrupted += 1
                self.assertEqual(self.submit(pow, 2, 4).result(timeout=60), 16, place)
        self.assertGreater(interrupted, 100)

    def test_an_interrupted_cancel_may_be_repeated(self):
        serving.raise_interrupts(self)
        interrupted = 0
        for place in range(1, 80):
            future, _ = self.submit_alone()
            with concurrent.futures.ThreadPoolExecutor(1) as thread:
                waits = thread.submit(future.exception, 60)
                while not future._sleepers:
                    time.sleep(0.001)
                try:
                    with interrupted_at(place):
                        future.cancel()
                except KeyboardInterrupt:
                    interrupted += 1
                    self.assertTrue(future.cancel())
                with self.assertRaises(concurrent.futures.CancelledError, msg=place):
                    waits.result()
            self.await_nothing_in_flight()  # so the server's has been stopped
        self.assertGreater(interrupted, 30)

    def test_the_first_submit_may_be_interrupted_anywhere(self):
        serving.raise_interrupts(self)
        interrupted = 0
        for place in range(1, 200):
            with gild.Executor(server.target, **self.options) as executor:
                try:
                    with interrupted_at(place):
                        executor.submit(pow, 2, 3)
                except KeyboardInterrupt:
                    interrupted += 1
                    self.assertEqual(executor.submit(pow, 2, 4).result(timeout=60), 16, place)
        self.assertGreater(interrupted, 100)

    def test_a_finalizer_that_submits_may_come_upon_whoever_has_the_lock(self):
        self.await_nothing_in_flight()
        connection, main = self.executor._connection, threading.get_ident()
        holds = threading.Event()

        def finalize():
            with connection._lock:
                holds.set()
                while sys._current_frames()[main].f_code.co_name not in ("_goes_alone", "_queue"):
                    time.sleep(0.001)
                return self.submit(pow, 2, 3)

        with concurrent.futures.ThreadPoolExecutor(1) as thread:
            other = thread.submit(finalize)
            holds.wait()
            self.assertEqual(self.submit(pow, 2, 4).result(timeout=60), 16)
            self.assertEqual(other.result().result(timeout=60), 8)

    def test_its_reply_may_come_while_it_is_made_by_whoever_holds_a_lock_of_ours(self):
        # As when a finalizer submits: it may come anywhere.
        self.submit(pow, 2, 3).result()
        self.await_nothing_in_flight()
        run = self.session.run

        def slow(request, **options):
            call = run.future(request, **options)
            while self.session.outcome_alone is None:
                time.sleep(0.001)
            return call

        self.session.run = types.SimpleNamespace(future=slow)
        with gild._future._lock, self.executor._connection._lock:
            future = self.submit(pow, 2, 4)
        self.assertEqual(future.result(), 16)

    def test_while_somebody_forks_it_goes_by_the_stream(self):
        self.await_nothing_in_flight()
        with ForksSoon():
            future = self.submit(wait_for_gate, self.id())
            self.assertIsNone(self.session.alone)
        self.other.submit(open_gate, self.id()).result()
        self.assertIsNone(future.result())

    def test_where_another_signals_handler_might_raise_it_goes_by_the_stream(self):
        self.addCleanup(signal.signal, signal.SIGALRM, signal.signal(signal.SIGALRM, lambda *_: None))
        self.await_nothing_in_flight()
        future = self.submit(wait_for_gate, self.id())
        self.assertIsNone(self.session.alone)
        self.other.submit(open_gate, self.id()).result()
        self.assertIsNone(future.result())

    def test_a_call_that_cannot_be_made_is_not_taken_for_the_next_one(self):
        self.submit(pow, 2, 3).result()
        self.await_nothing_in_flight()
        run = self.session.run
        self.session.run = types.SimpleNamespace(future=lambda request, **options: [run.future(request, **options)].no_such_thing)
        with self.assertRaises(AttributeError):  # after the call has been made: its reply comes
            self.submit(pow, 2, 3)
        self.assertEqual([self.submit(pow, 2, n).result() for n in range(5)], [1, 2, 4, 8, 16])

    def test_a_callback_beside_the_stream_may_not_wait_for_the_executors_end(self):
        future, let_go = self.submit_alone()
        errors = queue.SimpleQueue()

        def shutdown(_):
            try:
                self.executor.shutdown()
            except RuntimeError as error:
                errors.put(str(error))

        future.add_done_callback(shutdown)
        streamed = self.submit(wait_for_gate, self.id() + " of another")
        while not self.session.is_reading:
            time.sleep(0.001)  # there is no word of it to wait for
        let_go()
        self.assertEqual(errors.get(), "cannot join current thread")
        self.other.submit(open_gate, self.id() + " of another").result()
        streamed.result()

    def test_callbacks_do_not_wait_for_other_tasks(self):
        future, let_go = self.submit_alone()
        names = self.name_of_caller(future)
        streamed = self.submit(wait_for_gate, self.id() + " of another")
        while not self.session.is_reading:
            time.sleep(0.001)  # there is no word of it to wait for
        let_go()
        self.assertEqual(names.get(), "gild-callbacks")
        self.assertFalse(streamed.done())
        self.other.submit(open_gate, self.id() + " of another").result()
        streamed.result()

    def test_a_callback_may_submit_and_wait(self):
        future, let_go = self.submit_alone()
        results = queue.SimpleQueue()
        future.add_done_callback(lambda _: results.put(self.submit(pow, 2, 5)))
        let_go()
        self.assertEqual(results.get().result(), 32)

    def test_a_cancelled_one_is_stopped(self):
        future, _ = self.submit_alone()
        self.assertTrue(future.cancel())
        with self.assertRaises(concurrent.futures.CancelledError):
            future.result()
        self.await_nothing_in_flight()
        self.submit_alone()[1]()

    def test_shutdown_lets_it_come_to_its_end(self):
        for cancel_futures in (False, True):
            future, let_go = self.submit_alone()
            self.executor.shutdown(wait=False, cancel_futures=cancel_futures)
            let_go()
            self.executor.shutdown()
            self.assertIsNone(future.result(timeout=0))
            self.setUp()

    def test_what_the_server_refuses_joins_the_others(self):
        def unknown_to_it():
            return "it is, now"

        self.await_nothing_in_flight()
        hashed = self.executor._functions.known(unknown_to_it).sha256
        self.session.stored.add(hashed)
        self.assertEqual(self.submit(unknown_to_it).result(), "it is, now")
        self.assertIn(hashed, self.session.stored)

    def test_large_arguments_are_for_the_thread_that_sends(self):
        self.submit(len, b"").result()
        self.await_nothing_in_flight()
        future = self.submit(len, b"x" * (1 << 20))
        self.assertIsNone(self.session.alone)
        self.assertEqual(future.result(), 1 << 20)


class ForksSoon:
    """A thread that does not let gRPC be called."""

    def __enter__(self):
        self.holds, self.let_go = threading.Event(), threading.Event()
        self.thread = threading.Thread(target=self.hold)
        self.thread.start()
        self.holds.wait()

    def hold(self):
        with gild._fork.process.calls:
            self.holds.set()
            self.let_go.wait()

    def __exit__(self, *_):
        self.let_go.set()
        self.thread.join()


class SleeperTest(unittest.TestCase):
    """Threads that wait for one future and nothing else."""

    def wait_in_threads(self, future, count):
        results = queue.SimpleQueue()
        for _ in range(count):
            threading.Thread(target=lambda: results.put(future.result(timeout=60)), daemon=True).start()
        while len(future._sleepers) < count:
            time.sleep(0.001)
        return results

    def test_all_wake_at_its_end(self):
        future = gild._future.Future()
        results = self.wait_in_threads(future, 3)
        future.set_result(5)
        self.assertEqual([results.get() for _ in range(3)], [5, 5, 5])

    def test_somebody_may_come_to_watch_it_meanwhile(self):
        future = gild._future.Future()
        results = self.wait_in_threads(future, 2)
        future.add_done_callback(lambda _: None)
        self.assertEqual(future._sleepers, ())
        self.assertTrue(results.empty())
        future.set_result(5)
        self.assertEqual([results.get() for _ in range(2)], [5, 5])

    def test_whoever_comes_to_watch_it_may_be_interrupted(self):
        serving.raise_interrupts(self)
        for place in itertools.count(1):
            future = gild._future.Future()
            results = self.wait_in_threads(future, 1)
            interrupted = False
            try:
                with interrupted_at(place):
                    future.add_done_callback(lambda _: None)
            except KeyboardInterrupt:
                interrupted = True
            future.set_result(5)
            self.assertEqual(results.get(timeout=20), 5, place)
            if not interrupted:
                break
        self.assertGreater(place, 5)

    def test_they_wake_before_callbacks_are_called(self):
        future, called = gild._future.Future(), queue.SimpleQueue()
        future.add_done_callback(lambda _: called.put(results.get()))  # in this thread, which waits for the other
        results = queue.SimpleQueue()
        threading.Thread(target=lambda: results.put(future.result(timeout=60)), daemon=True).start()
        while not future._condition._waiters:
            time.sleep(0.001)
        future.set_result(5)
        self.assertEqual(called.get(), 5)

    def test_none_is_left_when_its_time_is_over(self):
        for watch in (lambda future: None, lambda future: future.add_done_callback(print)):
            future = gild._future.Future()
            watch(future)
            for timeout in (-1, 0, 0.001):
                with self.assertRaises(concurrent.futures.TimeoutError):
                    future.result(timeout)
            self.assertEqual((future._sleepers, list(future._condition._waiters)), ((), []))

    def test_a_handler_may_raise_wherever_they_are(self):
        serving.raise_interrupts(self)
        for watch in (lambda future: None, lambda future: future.add_done_callback(print)):
            for place in itertools.count(1):
                future = gild._future.Future()
                watch(future)
                with self.assertRaises((KeyboardInterrupt, concurrent.futures.TimeoutError)) as raised, interrupted_at(place):
                    future.result(timeout=0.001)
                self.assertTrue(serving.in_another_thread(future._condition.acquire, False), place)
                if not isinstance(raised.exception, KeyboardInterrupt):
                    break
            self.assertGreater(place, 10)


# Behind these CPython 3.11 and later look for signals (ceval.c, CHECK_EVAL_BREAKER).
LOOKS_FOR_SIGNALS = ("RESUME", "CALL", "CALL_FUNCTION_EX", "JUMP_BACKWARD")


@contextlib.contextmanager
def interrupted_at(place):
    """Ctrl-C within what is called: of the places where the handler could raise, in that one."""
    last = {}  # frames, and the bytecode that each is at

    def trace(frame, event, _):
        nonlocal place
        if frame.f_code.co_filename in (__file__, contextlib.__file__):
            return None
        frame.f_trace_opcodes = True
        if event == "opcode":
            before, last[frame] = last.get(frame), dis.opname[frame.f_code.co_code[frame.f_lasti]]
            place -= before in LOOKS_FOR_SIGNALS
            if place == 0:
                place = -1
                signal.raise_signal(signal.SIGINT)
        return trace

    gc.collect()
    gc.disable()  # a finalizer that happens to run would swallow it
    before = sys.gettrace()
    sys.settrace(trace)
    try:
        yield
    finally:
        sys.settrace(before)
        gc.enable()


class ConditionTest(unittest.TestCase):
    def test_no_python_runs_where_it_is_entered_and_left(self):
        lock = type(threading.RLock())
        for name in ("__enter__", "__exit__", "acquire", "release"):
            self.assertIs(getattr(type(gild.Future()._condition), name), getattr(lock, name))


class OptionsTest(RemoteTest):
    def test_the_nearest_word_counts(self):
        @gild.task(tag="io")
        def where():
            return None

        def lane():
            future = self.submit(where)
            future.result()
            return future.task.lane

        self.assertEqual(lane(), "IO_LANE")
        with gild.options(tag="cpu"):
            self.assertEqual(lane(), "CPU_LANE")
            with gild.options(tag="io"):
                self.assertEqual(lane(), "IO_LANE")
        self.assertEqual(where(), None)

    def test_a_decorator_without_parentheses_changes_nothing(self):
        @gild.task
        def tripled(x):
            return 3 * x

        self.assertEqual((tripled(2), self.submit(tripled, 3).result()), (6, 9))
        with self.assertRaisesRegex(TypeError, "5 is not callable: options have names"):
            gild.task(5)

    def test_a_decorator_is_heard_of_all_that_can_be_called(self):
        class Thing:
            @gild.task(tag="io")
            @staticmethod
            def static():
                pass

            @gild.task(tag="io")
            @classmethod
            def of_class(cls):
                pass

            @gild.task(tag="io")
            def __call__(self):
                pass

        for function in (Thing.static, Thing.of_class, Thing(), gild.task(tag="io")(functools.partial(pow, 2, 3)), gild.task(tag="io")(functools.lru_cache(noop))):
            future = self.submit(function)
            future.result()
            self.assertEqual(future.task.lane, "IO_LANE")

    def test_who_has_an_answer_to_every_name_has_no_options(self):
        class Api:
            def __getattr__(self, name):
                if name.startswith("__") and name not in ("__qualname__", "__wrapped__", "__gild_options__"):
                    raise AttributeError(name)
                return self

            def __call__(self, x):
                return x

        self.assertEqual(self.submit(Api(), 3).result(), 3)
        self.assertEqual(list(self.executor.map(Api(), range(3))), [0, 1, 2])

    def test_a_task_has_its_functions_name(self):
        with gild.options(timeout=0.05):
            self.assertTrue(str(self.submit(time.sleep, 60).exception()).startswith("sleep: "))

    def test_a_target_is_host_and_port(self):
        for target in ("localhost", "127.0.0.1:", ":50051", "127.0.0.1:99999", "http://127.0.0.1:50051", 50051):
            with self.assertRaises((ValueError, TypeError)) as caught:
                gild.Executor(target)
            self.assertIn(f"target={target!r}: 'HOST:PORT'", str(caught.exception))
        for target in ("localhost:50051", "[::1]:50051", "unix:/run/gild", "dns:///gild.example:50051"):
            gild.Executor(target).shutdown()

    def test_wrong_options_are_named_where_they_are_said(self):
        for call, words in (
            (lambda: gild.Executor(tag="gpu"), "tag='gpu': one of 'auto', 'io', 'cpu'"),
            (lambda: gild.Executor(limits={"timeout": 0}), "timeout=0: above 0"),
            (lambda: gild.Executor(limits={"timeout": float("nan")}), "timeout=nan: above 0"),
            (lambda: gild.Executor(limits={"timeout": "5s"}), "timeout='5s': a number of seconds"),
            (lambda: gild.Executor(limits={"timeot": 5}), "'timeot' is no option of a task; there are "),
            (lambda: gild.Executor(timeout=5), "timeout: one of the limits, limits={'timeout': 5}"),
            (lambda: gild.Executor(max_workers=5), "max_workers: workers are the server's"),
            (lambda: gild.Executor(tga="io"), "gild.Executor has no parameter 'tga'"),
            (lambda: gild.Executor(ship=types), "ship: a list of modules, such as ship=[mymodule]"),
            (lambda: gild.task(memory_bytes=1.5), "memory_bytes=1.5: a whole number"),
            (lambda: gild.task(isolation="none"), "isolation='none': one of 'shared', 'fresh'"),
        ):
            with self.assertRaises((ValueError, TypeError)) as caught:
                call()
            self.assertIn(words, str(caught.exception))
        with self.assertRaisesRegex(TypeError, "'timeot' is no option of a task; there are .*timeout"):
            with gild.options(timeot=5):
                pass


class ReferenceTest(RemoteTest):
    def test_an_executor_that_is_forgotten_ends_when_its_tasks_have(self):
        executor = gild.Executor(server.target)
        future = executor.submit(time.sleep, 0.1)
        thread = executor._connection._thread
        gone = weakref.ref(executor)
        del executor
        gc.collect()
        self.assertIsNone(gone())
        self.assertIsNone(future.result())
        thread.join()

    def test_a_future_that_has_ended_holds_neither_arguments_nor_executor(self):
        future = self.submit(square, 2)
        future.result()
        self.assertIsNone(future.work)

    def test_an_error_in_a_callback_is_logged_and_harms_nobody(self):
        def broken(_):
            raise RuntimeError("in a callback")

        with self.assertLogs("concurrent.futures", "ERROR"):
            future = self.submit(noop)
            future.add_done_callback(broken)
            future.result()
            self.submit(noop).result()


class AioTest(unittest.IsolatedAsyncioTestCase):
    async def test_an_error_of_a_call_comes_through_while_the_source_waits(self):
        closed = []

        async def items():
            try:
                yield 3
                await asyncio.Event().wait()
            finally:
                closed.append(True)

        async with gild.aio.Executor(server.target, tag="io") as executor:
            with self.assertRaises(KeyError):
                async for _ in executor.map(fails, items()):
                    pass
        self.assertEqual(closed, [True])

    async def test_run_map_and_cancel(self):
        async def doubled(x):
            import asyncio

            await asyncio.sleep(0.001)
            return 2 * x

        async def items():
            for i in range(5):
                yield i

        async with gild.aio.Executor(server.target, tag="io") as executor:
            self.assertEqual(await executor.run(doubled, 4), 8)
            self.assertEqual([x async for x in executor.map(doubled, range(5))], [0, 2, 4, 6, 8])
            self.assertEqual(sorted([x async for x in executor.map(doubled, items(), in_flight=2, in_order=False)]), [0, 2, 4, 6, 8])
            with self.assertRaises(KeyError):
                async for _ in executor.map(fails, range(8)):
                    pass
            running = executor.submit(time.sleep, 60)
            running.cancel()
            with self.assertRaises(asyncio.CancelledError):
                await running

    async def test_run_in_executor(self):
        with gild.Executor(server.target, tag="cpu") as executor:
            self.assertEqual(await asyncio.get_running_loop().run_in_executor(executor, square, 3), 9)


if __name__ == "__main__":
    unittest.main()
