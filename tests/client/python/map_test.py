"""gild.Executor.map against a server: chunks, their results, and what of them is sent again."""

import asyncio
import concurrent.futures
import itertools
import threading
import time
import unittest
import unittest.mock

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


def slow_from_40_on(x):
    if x >= 40:
        time.sleep(0.01)
    return x


class Held:
    def __init__(self, value):
        self.value = value


class Unreadable:
    def __reduce__(self):
        return int, ("no number",)


class Reader:
    """Unpickled, the thread that did it."""

    def __reduce__(self):
        return threading.current_thread, ()


class Sphinx(Exception):
    @staticmethod
    def ask():
        raise Sphinx

    def __str__(self):
        raise ValueError("does not say")


counted = 0


def counts(_):
    global counted
    counted += 1
    return counted


def setUpModule():
    global server
    server = serving.Server()
    unittest.addModuleCleanup(server.stop)


def all_probes_first():
    """Where a machine is busy, `map` does not wait for them, and then sends each call singly."""
    return unittest.mock.patch.object(gild._map, "_await_some", lambda futures, _: concurrent.futures.wait(futures))


class MapTest(unittest.TestCase):
    def setUp(self):
        self.executor = gild.Executor(server.target, tag="cpu")
        self.addCleanup(self.executor.shutdown)

    def test_chunks_found_out_on_the_way(self):
        self.assertEqual(list(self.executor.map(square, range(100_000))), [x * x for x in range(100_000)])

    def test_what_a_task_did_not_come_to_is_sent_again_after_shutdown_too(self):
        self.addCleanup(setattr, gild._map, "_CHUNK_RUN_ENOUGH_S", gild._map._CHUNK_RUN_ENOUGH_S)
        gild._map._CHUNK_RUN_ENOUGH_S = 0.02
        with gild.Executor(server.target, tag="cpu") as executor, all_probes_first():
            results = executor.map(slow_from_40_on, range(200))
        self.assertTrue(any(sent.rest for sent in results._sent))
        self.assertEqual(list(results), list(range(200)))

    def test_coroutines_that_a_plain_function_returns_are_awaited(self):
        async def doubled(x):
            await asyncio.sleep(0)
            return {}[x] if x == 900 else 2 * x

        for tag in ("cpu", "io"):
            with gild.options(tag=tag):
                results = self.executor.map(lambda x: doubled(x), range(1000))
                self.assertEqual([next(results) for _ in range(900)], [2 * x for x in range(900)])
                with self.assertRaises(KeyError):
                    next(results)

    def test_results_that_grow_are_not_too_many_for_one_task(self):
        async def made(size):
            return bytes([1]) * size

        sizes = [100] * 500 + [12 << 20] * 3 + [100] * 500  # of the large ones a task's result may have two
        for function in (lambda size: bytes([1]) * size, lambda size: made(size), lambda size: Held(bytes([1]) * size)):
            results = self.executor.map(function, sizes)
            self.assertEqual([len(getattr(result, "value", result)) for result in results], sizes)

    def test_all_calls_are_made_though_nobody_asks_for_the_results(self):
        self.addCleanup(setattr, gild._map, "_CHUNK_RESULT_ENOUGH", gild._map._CHUNK_RESULT_ENOUGH)
        gild._map._CHUNK_RESULT_ENOUGH = 1000
        with gild.Executor(server.target, tag="cpu") as executor, all_probes_first():
            results = executor.map(lambda i: bytes(300), range(300))
        self.assertTrue(any(each.future.unread() for each in results._sent if len(each.calls) > 1))  # how many were made is told without
        made = 0
        for each in results._sent:
            while each is not None:
                made += 1 if len(each.calls) == 1 else each.came_to()
                each = each.rest
        self.assertEqual(made, 300)
        self.assertTrue(any(each.rest for each in results._sent))

    def test_what_cancelling_took_back_is_not_sent_again(self):
        with gild.Executor(server.target, tag="cpu") as executor:
            executor.shutdown(cancel_futures=True)
            prepared = executor._functions.prepare(pow, (2, 5), {})
            rest = gild._executor._send(executor._connection, prepared, executor._options, "pow", is_rest=True)
        self.assertTrue(rest.cancelled())

    def test_a_finalizer_that_closes_it_waits_for_no_lock(self):
        results = self.executor.map(time.sleep, [60] * 40, chunksize=1)
        with results._chunks._rest_lock:
            serving.in_another_thread(results.close)
        self.assertTrue(all(each.future.cancelled() for each in results._sent))

    def test_results_before_one_that_cannot_travel_are_there(self):
        for bad, kind in ((threading.Lock, TypeError), (Unreadable, gild.NotReadable), (Sphinx.ask, Sphinx)):
            results = self.executor.map(lambda i: bad() if i == 500 else i, range(1000))
            self.assertEqual([next(results) for _ in range(500)], list(range(500)))
            with self.assertRaises(kind):
                next(results)

    def test_results_are_objects_of_their_own(self):
        table = {}
        results = list(self.executor.map(lambda i: table, range(200)))
        self.assertEqual(len({id(result) for result in results}), 200)

    def test_results_of_many_are_unpickled_by_who_asks(self):
        self.addCleanup(setattr, gild._map, "_CHUNK_RUN_ENOUGH_S", gild._map._CHUNK_RUN_ENOUGH_S)
        gild._map._CHUNK_RUN_ENOUGH_S = 0.0  # there is a rest each time, which others find out about first
        with all_probes_first():
            results = list(self.executor.map(lambda i: Reader(), range(100)))
        self.assertEqual(results, [threading.main_thread()] * 100)

    def test_what_makes_a_task_of_many_calls_is_sent_ahead_of_them(self):
        expected = []
        with unittest.mock.patch.object(gild._connection.Connection, "expect", lambda _, function: expected.append(function.name)):
            list(self.executor.map(square, range(47)))
            self.assertEqual(expected, [])
            list(self.executor.map(square, range(48)))
            self.assertEqual(len(expected), 1)

    def test_calls_of_a_session_are_tasks_as_those_of_submit_are(self):
        with all_probes_first():
            results = gild.Executor(server.target, tag="io", session="counts").map(counts, range(500))
        self.assertEqual(sorted(results), list(range(1, 501)))

    def test_a_missing_module_is_named_in_a_task_of_many_too(self):
        def imports(i):
            if i == 20:
                import nowhere
            return i

        with self.assertRaisesRegex(ModuleNotFoundError, "the server has no module named 'nowhere'; nor is there one here"):
            list(self.executor.map(imports, range(40), chunksize=40))

    def test_a_limit_that_calls_reach_together_says_so(self):
        with self.assertRaisesRegex(gild.ResultLimit, "by 3 calls in one task: chunksize=1 makes one of each"):
            list(self.executor.map(bytes, [12 << 20] * 3, chunksize=3))

    def test_the_shortest_iterable_ends_it(self):
        for chunksize in (None, 2):
            self.assertEqual(list(self.executor.map(pow, [2, 3, 4], itertools.count(1), chunksize=chunksize)), [2, 9, 64])
        self.assertEqual(list(self.executor.map(pow, [], itertools.count())), [])

    def test_what_cannot_be_pickled_is_named_and_what_was_sent_is_cancelled(self):
        futures = []
        submit = gild._connection.Connection.submit
        self.addCleanup(setattr, gild._connection.Connection, "submit", submit)
        gild._connection.Connection.submit = lambda connection, work, is_rest: (futures.append(work.future), submit(connection, work, is_rest))
        with self.assertRaisesRegex(gild.NotPicklable, "argument 1 of sleep, of type lock"):
            self.executor.map(time.sleep, [60, 60, 60, threading.Lock()], chunksize=2)
        self.assertEqual([future.cancelled() for future in futures], [True])

    def test_results_before_an_error_are_there(self):
        for chunksize in (None, 1, 2, 100):
            results = self.executor.map(fails, range(8), chunksize=chunksize)
            self.assertEqual([next(results) for _ in range(3)], [0, 1, 2])
            with self.assertRaises(KeyError) as caught:
                next(results)
            self.assertIn("raise KeyError(x)", str(caught.exception.__cause__))
            with self.assertRaises(StopIteration):
                next(results)

    def test_it_knows_its_length(self):
        self.assertEqual(len(self.executor.map(square, range(7))), 7)

    def test_a_limit_for_each_call_means_a_task_for_each(self):
        with gild.options(timeout=30):
            results = self.executor.map(square, range(100))
        self.assertEqual(list(results), [x * x for x in range(100)])

    def test_a_closed_map_cancels_what_is_under_way(self):
        results = self.executor.map(time.sleep, [60] * 20, chunksize=1)
        results.close()
        self.executor.submit(noop).result()


if __name__ == "__main__":
    unittest.main()
