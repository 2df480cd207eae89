"""Tasks beside which nothing is on its way, and what comes between: signals, forks, finalizers, callbacks."""

import concurrent.futures
import itertools
import queue
import signal
import sys
import threading
import types
import unittest

import grpc
import interrupting
import serving
import gild


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


class AloneTest(unittest.TestCase):
    """A task beside which nothing is on its way is a call of its own, once its function is known to the server."""

    options = {"tag": "io"}

    def setUp(self):
        self.executor, self.other = gild.Executor(server.target, **self.options), gild.Executor(server.target, **self.options)
        self.addCleanup(self.executor.shutdown)
        self.addCleanup(self.other.shutdown)
        self.other.submit(open_gate, "").result()
        self.submit(wait_for_gate, "").result()
        self.session = self.executor._connection._session

    def submit(self, *args):
        return self.executor.submit(*args)

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
        serving.wait_until(lambda: not self.session.has_any() and not self.session.is_reading)

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
        interrupting.raise_interrupts(self)
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
        interrupting.raise_interrupts(self)
        interrupted = 0
        for place in range(1, 200):
            self.await_nothing_in_flight()
            interrupted += self.is_interrupted(self.executor, place)
        self.assertGreater(interrupted, 100)

    def is_interrupted(self, executor, place):
        """Whether a submit is, at that place. What is submitted next comes to its end nevertheless."""
        try:
            with interrupting.interrupted_at(place):
                executor.submit(pow, 2, 3)
            return False
        except KeyboardInterrupt:
            self.assertEqual(executor.submit(pow, 2, 4).result(timeout=60), 16, place)
            return True

    def test_an_interrupted_cancel_may_be_repeated(self):
        interrupting.raise_interrupts(self)
        interrupted = 0
        for place in range(1, 80):
            future, _ = self.submit_alone()
            with concurrent.futures.ThreadPoolExecutor(1) as thread:
                waits = thread.submit(future.exception, 60)
                serving.wait_until(lambda: future._sleepers)
                try:
                    with interrupting.interrupted_at(place):
                        future.cancel()
                except KeyboardInterrupt:
                    interrupted += 1
                    self.assertTrue(future.cancel())
                with self.assertRaises(concurrent.futures.CancelledError, msg=place):
                    waits.result()
            self.await_nothing_in_flight()  # so the server's has been stopped
        self.assertGreater(interrupted, 30)

    def test_the_first_submit_may_be_interrupted_anywhere(self):
        interrupting.raise_interrupts(self)
        interrupted = 0
        for place in range(1, 200):
            with gild.Executor(server.target, **self.options) as executor:
                interrupted += self.is_interrupted(executor, place)
        self.assertGreater(interrupted, 100)

    def test_a_finalizer_that_submits_may_come_upon_whoever_has_the_lock(self):
        self.await_nothing_in_flight()
        connection, main = self.executor._connection, threading.get_ident()
        holds = threading.Event()

        def finalize():
            with connection._lock:
                holds.set()
                serving.wait_until(lambda: sys._current_frames()[main].f_code.co_name in ("_goes_alone", "_queue"))
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
            serving.wait_until(lambda: self.session.outcome_alone is not None)
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
        serving.wait_until(lambda: self.session.is_reading)
        let_go()
        self.assertEqual(errors.get(), "cannot join current thread")
        self.other.submit(open_gate, self.id() + " of another").result()
        streamed.result()

    def test_callbacks_do_not_wait_for_other_tasks(self):
        future, let_go = self.submit_alone()
        names = self.name_of_caller(future)
        streamed = self.submit(wait_for_gate, self.id() + " of another")
        serving.wait_until(lambda: self.session.is_reading)
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


if __name__ == "__main__":
    unittest.main()
