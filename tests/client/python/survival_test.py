"""What clients meet: no server, a server that goes away, Ctrl-C, a fork, the end of the interpreter, another Python."""

import ctypes
import multiprocessing
import os
import signal
import socket
import subprocess
import sys
import textwrap
import threading
import time
import unittest
from unittest import mock

import interrupting
import serving
import gild
from gild import _connection, _interrupts, _session


def noop():
    return None


class ServerTest(unittest.TestCase):
    def test_no_server_is_an_error_at_once(self):
        with socket.socket() as nobody_listens:
            nobody_listens.bind(("127.0.0.1", 0))
            with gild.Executor("127.0.0.1:%d" % nobody_listens.getsockname()[1]) as executor:
                error = executor.submit(noop).exception(timeout=_connection.CONNECT_TIMEOUT_S)
        self.assertIsInstance(error, gild.Unavailable)
        self.assertIsInstance(error, ConnectionError)
        self.assertTrue(error.safe_to_retry)
        self.assertIn("no server at 127.0.0.1:", str(error))

    def test_something_else_that_listens_is_told_from_a_server(self):
        with socket.create_server(("127.0.0.1", 0)) as silent:
            before, _connection.CONNECT_TIMEOUT_S = _connection.CONNECT_TIMEOUT_S, 0.2
            self.addCleanup(setattr, _connection, "CONNECT_TIMEOUT_S", before)
            with gild.Executor("127.0.0.1:%d" % silent.getsockname()[1]) as executor:
                error = executor.submit(noop).exception()
        self.assertIsInstance(error, gild.Unavailable)

    def test_one_that_does_not_come_back_is_waited_for_once(self):
        server = serving.Server()
        before, _connection.RECONNECT_TIMEOUT_S = _connection.RECONNECT_TIMEOUT_S, 0.4
        self.addCleanup(setattr, _connection, "RECONNECT_TIMEOUT_S", before)
        with gild.Executor(server.target, tag="cpu") as executor:
            executor.submit(noop).result()
            server.stop()
            told = [str(executor.submit(noop).exception()) for _ in range(2)]
        self.assertIn("is gone, and was not back within 0.4 s", told[0])
        self.assertIn("no server at 127.0.0.1:", told[1])

    def test_a_server_that_dies_and_comes_back(self):
        server = serving.Server()
        self.addCleanup(lambda: server.stop())
        with gild.Executor(server.target, tag="cpu") as executor:
            for alone in (False, True):
                executor.submit(time.sleep, 0).result()
                serving.wait_until(lambda: not executor._connection._session.has_any())  # a moment after whoever waits has its outcome
                beside = executor.submit(time.sleep, 60)
                lost = beside if alone else executor.submit(time.sleep, 60)
                self.assertIs(executor._connection._session.alone, beside.work)
                serving.wait_until(lambda: lost.running())
                server.kill()
                error = lost.exception()
                self.assertIsInstance(error, gild.ConnectionLost)
                self.assertFalse(error.safe_to_retry)
                waiting = executor.submit(noop)
                server = serving.Server(listen=server.target)
                waiting.result()

    def test_a_full_queue_is_waited_for(self):
        server = serving.Server("--queue-tasks", "10")
        self.addCleanup(server.stop)
        with gild.Executor(server.target, tag="cpu") as executor:
            self.assertEqual([f.result() for f in [executor.submit(noop) for _ in range(500)]], [None] * 500)

    def test_a_function_that_the_server_has_forgotten_is_stored_again(self):
        server = serving.Server()
        self.addCleanup(server.stop)
        with gild.Executor(server.target, tag="cpu") as executor:
            executor.submit(noop).result()
            for start in range(0, 5000, 500):  # the store keeps 4096
                for future in [executor.submit(eval(f"lambda: {i}")) for i in range(start, start + 500)]:
                    future.result()
            executor.submit(noop).result()


class PythonTest(unittest.TestCase):
    def test_bytecode_of_another_python_is_not_sent(self):
        server = serving.Server()
        self.addCleanup(server.stop)
        before, _session.sys = _session.sys, OtherPython
        self.addCleanup(setattr, _session, "sys", before)
        with gild.Executor(server.target) as executor:
            with self.assertRaisesRegex(gild.VersionMismatch, r"noop travels as bytecode of Python 2\.7, which the server's Python 3\.\d+ cannot read"):
                executor.submit(noop).result()
            self.assertEqual(executor.submit(pow, 2, 3).result(), 8)
            # What makes one task of many calls is bytecode of ours: there it is left out.
            self.assertEqual(list(executor.map(abs, range(-100, 0), chunksize=10)), list(range(100, 0, -1)))
            with self.assertRaises(gild.VersionMismatch):
                next(executor.map(lambda x: x, range(100), chunksize=10))


class InterruptTest(unittest.TestCase):
    def setUp(self):
        interrupting.raise_interrupts(self)

    def test_it_is_held_back_until_the_end(self):
        reached = []
        with self.assertRaises(KeyboardInterrupt):
            with _interrupts.HeldBack() as is_undisturbed:
                signal.raise_signal(signal.SIGINT)
                reached.append(is_undisturbed)
        self.assertEqual(reached, [True])
        self.assertIs(signal.getsignal(signal.SIGINT), signal.default_int_handler)

    def test_whoever_has_a_handler_of_their_own_gets_it_then(self):
        got = []
        self.addCleanup(signal.signal, signal.SIGINT, signal.signal(signal.SIGINT, lambda number, frame: got.append((number, frame.f_code.co_name))))
        with _interrupts.HeldBack():
            with _interrupts.HeldBack():  # as when a finalizer submits
                signal.raise_signal(signal.SIGINT)
            self.assertEqual(got, [])
        self.assertEqual(got, [(signal.SIGINT, "test_whoever_has_a_handler_of_their_own_gets_it_then")])

    def test_it_may_be_ignored(self):
        self.addCleanup(signal.signal, signal.SIGINT, signal.signal(signal.SIGINT, signal.SIG_IGN))
        with _interrupts.HeldBack() as is_undisturbed:
            signal.raise_signal(signal.SIGINT)
        self.assertTrue(is_undisturbed)
        self.assertEqual(signal.getsignal(signal.SIGINT), signal.SIG_IGN)

    def test_what_else_is_set_of_the_signal_stays(self):
        signal.siginterrupt(signal.SIGINT, False)
        self.assertTrue(restarts_calls(signal.SIGINT))
        with _interrupts.HeldBack():
            self.assertFalse(restarts_calls(signal.SIGINT))
        self.assertTrue(restarts_calls(signal.SIGINT))

    def test_where_threading_is_wrong_about_the_main_thread_it_is_not(self):
        with mock.patch("threading.main_thread", threading.current_thread):  # as where another one has imported it first
            self.assertFalse(serving.in_another_thread(_interrupts.HeldBack().__enter__))

    def test_a_fork_beside_it_does_not_inherit_that(self):
        with _interrupts.HeldBack(), _interrupts.HeldBack():
            self.assertEqual(serving.in_another_thread(has_forked_child_an_own_handler), 0)
        self.assertIs(signal.getsignal(signal.SIGINT), signal.default_int_handler)


def restarts_calls(number):
    """SA_RESTART; the flags are behind the handler and a set of signals (glibc, 64 bits)."""
    action = ctypes.create_string_buffer(1024)
    ctypes.CDLL(None).sigaction(number, None, action)
    return bool(int.from_bytes(action[136:140], sys.byteorder) & 0x10000000)


def has_forked_child_an_own_handler():
    child = os.fork()
    if not child:
        os._exit(signal.getsignal(signal.SIGINT) is not signal.default_int_handler)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


class OtherPython:
    version_info = (2, 7, 18)


def in_a_child(executor, future):
    try:
        future.result()
    except RuntimeError as error:
        return executor.submit(pow, 2, 5).result(), str(error)


class ProcessTest(unittest.TestCase):
    def setUp(self):
        self.server = serving.Server()
        self.addCleanup(self.server.stop)

    def run_program(self, program):
        environment = {**os.environ, "GILD_SERVER": self.server.target, "PYTHONPATH": os.pathsep.join(sys.path)}
        return subprocess.run(
            [sys.executable, "-c", textwrap.dedent(program)], env=environment, capture_output=True, text=True, timeout=60, check=False
        )

    def test_a_fork_has_a_connection_of_its_own(self):
        with gild.Executor(self.server.target, tag="cpu") as executor:
            executor.submit(noop).result()
            future = executor.submit(time.sleep, 60)
            reading, writing = multiprocessing.Pipe(duplex=False)
            child = multiprocessing.get_context("fork").Process(target=lambda: writing.send(in_a_child(executor, future)))
            child.start()
            self.assertTrue(reading.poll(30))
            self.assertEqual(reading.recv(), (32, "this future belongs to the process that submitted it, of which this one is a fork"))
            child.join()
            self.assertEqual(executor.submit(pow, 2, 6).result(), 64)
            future.cancel()

    def test_forks_of_a_busy_client_disturb_neither_it_nor_them(self):
        # Threads change so often that a fork which does not wait for those who call gRPC comes upon one of them nearly each time.
        ended = self.run_program("""
            import gild, os, signal, sys, threading
            sys.setswitchinterval(1e-5)
            executor = gild.Executor(tag="cpu")
            wrong, done = [], threading.Event()

            def singly():
                while not done.is_set():
                    if executor.submit(pow, 2, 5).result() != 32:
                        wrong.append("a result")

            def in_bulk():
                while not done.is_set():
                    if list(executor.map(abs, range(-2000, 0))) != list(range(2000, 0, -1)):
                        wrong.append("results")

            def in_child():
                signal.alarm(20)  # ends it where it hangs
                return executor.submit(pow, 2, 6).result() - 64

            threads = [threading.Thread(target=work) for work in (singly, singly, in_bulk)]
            for thread in threads:
                thread.start()
            for _ in range(5):
                child = os.fork()
                if not child:
                    os._exit(in_child())
                wrong += filter(None, os.waitpid(child, 0)[1:])
            done.set()
            for thread in threads:
                thread.join()
            print(wrong, f"{sys.getswitchinterval():.0e}")
        """)
        self.assertEqual((ended.returncode, ended.stdout, ended.stderr), (0, "[] 1e-05\n", ""))

    def test_the_interpreters_end_waits_for_what_is_under_way(self):
        ended = self.run_program("""
            import gild, time
            executor = gild.Executor(tag="cpu")
            executor.submit(time.sleep, 0.3).add_done_callback(lambda future: print(future.result(), future.task.ending))
            executor.shutdown(wait=False)
        """)
        self.assertEqual((ended.returncode, ended.stdout, ended.stderr), (0, "None SUCCEEDED\n", ""))

    def test_nothing_can_be_submitted_after_the_interpreters_end(self):
        ended = self.run_program("""
            import atexit, gild
            executor = gild.Executor()
            executor.submit(id, None).result()
            @atexit.register
            def last():
                try:
                    executor.submit(id, None)
                except RuntimeError as error:
                    print(error)
        """)
        self.assertEqual((ended.stdout, ended.stderr), ("cannot schedule new futures after interpreter shutdown\n", ""))

    def test_an_executor_that_was_never_used_costs_nothing_at_the_end(self):
        ended = self.run_program("import gild; executor = gild.Executor('127.0.0.1:1')")
        self.assertEqual((ended.returncode, ended.stderr), (0, ""))


if __name__ == "__main__":
    unittest.main()
