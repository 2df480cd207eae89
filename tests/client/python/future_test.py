"""gild.Future by itself: who waits for it, and Ctrl-C meanwhile."""

import concurrent.futures
import itertools
import queue
import threading
import unittest

import interrupting
import serving
import gild


class SleeperTest(unittest.TestCase):
    """Threads that wait for one future and nothing else."""

    def wait_in_threads(self, future, count):
        results = queue.SimpleQueue()
        for _ in range(count):
            threading.Thread(target=lambda: results.put(future.result(timeout=60)), daemon=True).start()
        serving.wait_until(lambda: len(future._sleepers) == count)
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
        interrupting.raise_interrupts(self)
        for place in itertools.count(1):
            future = gild._future.Future()
            results = self.wait_in_threads(future, 1)
            interrupted = False
            try:
                with interrupting.interrupted_at(place):
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
        serving.wait_until(lambda: future._condition._waiters)
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
        interrupting.raise_interrupts(self)
        for watch in (lambda future: None, lambda future: future.add_done_callback(print)):
            for place in itertools.count(1):
                future = gild._future.Future()
                watch(future)
                with self.assertRaises((KeyboardInterrupt, concurrent.futures.TimeoutError)) as raised, interrupting.interrupted_at(place):
                    future.result(timeout=0.001)
                self.assertTrue(serving.in_another_thread(future._condition.acquire, False), place)
                if not isinstance(raised.exception, KeyboardInterrupt):
                    break
            self.assertGreater(place, 10)


class ConditionTest(unittest.TestCase):
    def test_no_python_runs_where_it_is_entered_and_left(self):
        lock = type(threading.RLock())
        for name in ("__enter__", "__exit__", "acquire", "release"):
            self.assertIs(getattr(type(gild.Future()._condition), name), getattr(lock, name))


if __name__ == "__main__":
    unittest.main()
