"""CPython's own tests of its executors, with ours (Lib/test/test_concurrent_futures, of Debian's libpython3.11-testsuite).

Left out are those of what only a local pool has: its threads and processes, initializers, max_workers.
"""

import time
import unittest

import serving
import gild
from test import test_concurrent_futures as standard

# Its functions are in a module that the server does not have.
SHIP = [standard]


class Remote(standard.BaseTestCase):
    worker_count = 5
    tag = "io"

    def setUp(self):
        super().setUp()
        self.executor = gild.Executor(server.target, tag=self.tag, ship=SHIP)
        self.executor.submit(time.sleep, 0).result()  # connected, as a local pool is from the start

    def tearDown(self):
        self.executor.shutdown(wait=True)
        self.executor = None
        super().tearDown()


class ExecutorTest(Remote, standard.ExecutorTest):
    test_max_workers_negative = None


class WaitTest(Remote, standard.WaitTests):
    pass


class AsCompletedTest(Remote, standard.AsCompletedTests):
    pass


class ShutdownTest(Remote, standard.ExecutorShutdownTest):
    tag = "cpu"  # so few workers that others wait
    # Programs with a local pool; survival_test.py has ours.
    test_interpreter_shutdown = test_submit_after_interpreter_shutdown = test_hang_gh83386 = None
    # Wants some to run at once, which takes the way to the server; executor_test.py waits for that.
    test_cancel_futures = None


class FutureTest(standard.FutureTests):
    """Of futures that were made without an executor."""

    def setUp(self):
        super().setUp()
        self.addCleanup(setattr, standard, "Future", standard.Future)
        standard.Future = gild.Future


def load_tests(loader, _, __):
    return unittest.TestSuite(
        loader.loadTestsFromTestCase(case) for case in (ExecutorTest, WaitTest, AsCompletedTest, ShutdownTest, FutureTest)
    )


if __name__ == "__main__":
    server = serving.Server()
    try:
        unittest.main()
    finally:
        server.stop()
