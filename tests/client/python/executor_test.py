"""gild.Executor against a server: what it does beyond the standard executors (standard_library_test.py)."""

import asyncio
import concurrent.futures
import functools
import gc
import pickle
import sys
import threading
import time
import types
import unittest
import weakref

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
        serving.wait_until(lambda: future.running())
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
