"""bootstrap.py on its own: the C++ side (`_gild`) is played by a list that collects what is told of progress."""

import builtins
import io
import json
import logging
import operator
import pathlib
import pickle
import sys
import threading
import types
import unittest

SOURCE = pathlib.Path(__file__).resolve().parents[3] / "server" / "interpreter" / "bootstrap.py"


def load():
    """A fresh bootstrap, as the zygote imports it: with `<gild>` as its file."""
    sys.modules["_gild"] = types.SimpleNamespace(tell_progress=lambda *progress: told.append(progress))
    sys.modules["_gild_streams"] = types.SimpleNamespace(flush_streams=None, forget_streams=None, replacements={})
    module = types.ModuleType("_gild_bootstrap")
    module.__file__ = "<gild>"
    exec(compile(SOURCE.read_text(), "<gild>", "exec"), vars(module))
    return module


told = []  # progress
_exec = exec  # a test replaces builtins'


class Bootstrap(unittest.TestCase):
    def setUp(self):
        self.bootstrap = load()
        told.clear()
        self.addCleanup(sys.modules.pop, "gild", None)

    def execute(self, code, entry="", arguments=()):
        namespace = {"__name__": "__main__", "__builtins__": builtins, "__file__": "<script>"}
        _exec(self.bootstrap.compiled(code.encode(), "<script>"), namespace)  # as the C++ side does
        return self.bootstrap.encoded(self.bootstrap.call_entry(namespace, entry, arguments)) if entry else None

    def described(self, code, entry=""):
        try:
            self.execute(code, entry)
        except BaseException as error:
            # As the C++ side sees it: the frames of this test are not there.
            while error.__traceback__ and error.__traceback__.tb_frame.f_code.co_filename == __file__:
                error.__traceback__ = error.__traceback__.tb_next
            *texts, self.before_start = self.bootstrap.describe(error, "<script>", code.encode())
            return [text.decode() for text in texts]
        self.fail("it did not raise")

    def test_a_script_has_no_result(self):
        self.assertIsNone(self.execute("x = 1"))

    def test_a_script_is_main(self):
        self.execute("assert __name__ == '__main__'")

    def test_json_goes_in_and_out(self):
        raw, result = self.execute("def f(a, b): return {'sum': a + b}", "f", [(False, b"1"), (False, b"2.5")])
        self.assertFalse(raw)
        self.assertEqual(json.loads(result), {"sum": 3.5})

    def test_bytes_go_in_and_out_untouched(self):
        self.assertEqual(self.execute("def f(b): return b + b'\\xff'", "f", [(True, b"\x00")]), (True, b"\x00\xff"))

    def test_a_bytearray_is_bytes(self):
        self.assertEqual(self.execute("def f(): return bytearray(b'x')", "f"), (True, b"x"))

    def test_a_dotted_entry_reaches_into_objects(self):
        self.assertEqual(self.execute("class A:\n  @staticmethod\n  def f(): return 7", "A.f"), (False, b"7"))

    def test_a_missing_entry_is_named(self):
        kind, message, _ = self.described("x = 1", "f")
        self.assertEqual((kind, message), ("EntryNotFound", "the code defines no 'f'"))

    def test_not_a_number_is_not_json(self):
        kind, _, _ = self.described("def f(): return float('nan')", "f")
        self.assertEqual(kind, "ValueError")

    def test_a_traceback_shows_the_users_frames_and_lines_alone(self):
        _, _, traceback = self.described("def f():\n    return 1 / 0\nf()\n")
        self.assertIn('File "<script>", line 2, in f', traceback)
        self.assertIn("return 1 / 0", traceback)
        self.assertNotIn("<gild>", traceback)

    def test_a_syntax_error_shows_its_line(self):
        kind, _, traceback = self.described("x = (\n")
        self.assertEqual(kind, "SyntaxError")
        self.assertIn("x = (", traceback)

    def test_an_exception_of_a_module_has_its_full_name(self):
        kind, _, _ = self.described("import json; json.loads('{')")
        self.assertEqual(kind, "json.decoder.JSONDecodeError")

    def test_an_exception_whose_str_raises_is_described_all_the_same(self):
        kind, message, _ = self.described("class E(Exception):\n  def __str__(self): return 1 / 0\nraise E()")
        self.assertEqual(kind, "E")
        self.assertIn("ZeroDivisionError", message)

    def test_surrogates_do_not_stop_a_description(self):
        _, message, _ = self.described("raise ValueError('\\udcff')")
        self.assertEqual(message, "\\udcff")

    def test_stops_pass_except_exception(self):
        self.assertFalse(issubclass(self.bootstrap.TaskStopped, Exception))

    def test_exit_codes_are_those_of_a_process(self):
        for given, code in ((SystemExit(), 0), (SystemExit(3), 3), (SystemExit(256 + 7), 7), (SystemExit(True), 1), (SystemExit(2**70), 255)):
            self.assertEqual(self.bootstrap.exit_code(given), code)

    def test_an_exit_message_is_printed_and_means_one(self):
        stderr, sys.stderr = sys.stderr, io.StringIO()
        try:
            self.assertEqual(self.bootstrap.exit_code(SystemExit("bye")), 1)
            self.assertEqual(sys.stderr.getvalue(), "bye\n")
        finally:
            sys.stderr = stderr

    def test_a_body_that_cannot_start_is_told_from_one_that_fails(self):
        for code in ("(", "import no_such_module", "if True:\n  from no_such_module import x"):
            self.described(code)
            self.assertTrue(self.before_start, code)
        for code in ("eval('(')", "def f(): import no_such_module\nf()", "1/0"):
            self.described(code)
            self.assertFalse(self.before_start, code)

    def test_a_function_whose_module_is_missing_cannot_start_and_one_that_imports_can(self):
        def before_start(raising):
            try:
                raising()
            except ModuleNotFoundError as error:
                error.__traceback__ = error.__traceback__.tb_next.tb_next
                return self.bootstrap.describe(error, "<function>", b"")[3]

        self.assertTrue(before_start(lambda: pickle.loads(b"cno_such_module\nfunction\n.")))

        def imports():
            import no_such_module  # noqa: F401

        self.assertFalse(before_start(lambda: imports()))

    def test_what_a_task_does_to_builtins_and_json_is_not_met_by_the_next(self):
        replaced = [(builtins, "compile"), (builtins, "exec"), (builtins, "getattr"), (json, "loads"), (json, "dumps")]
        originals = [getattr(module, name) for module, name in replaced]
        code = "import builtins, json\n" + "\n".join(f"{module.__name__}.{name} = None" for module, name in replaced)
        try:
            self.execute(code)
            result = self.execute("def f(x): return [x]", "f", [(False, b"1")])
        finally:
            for (module, name), original in zip(replaced, originals):
                setattr(module, name, original)
        self.assertEqual(result, (False, b"[1]"))

    def test_progress_is_told_in_whole_numbers(self):
        self.execute("import gild\ngild.progress(3, 10)\ngild.progress(4)\ngild.progress(done=True, total=0)")
        self.assertEqual(told, [(3, 10), (4, 0), (1, 0)])
        self.execute("import gild\ngild.progress(2**64 - 1, 2**64 - 1)")
        self.assertEqual(told[-1], (2**64 - 1, 2**64 - 1))

    def test_other_progress_is_an_error(self):
        for arguments, kind in (
            ("-1", "ValueError"),
            ("1, -1", "ValueError"),
            ("2**64", "ValueError"),
            ("0, 2**64", "ValueError"),
            ("0.5", "TypeError"),
            ("1, '2'", "TypeError"),
            ("None", "TypeError"),
            ("", "TypeError"),
        ):
            self.assertEqual(self.described(f"import gild\ngild.progress({arguments})")[0], kind, arguments)
        self.assertEqual(told, [])

    def test_what_a_task_does_to_operator_is_not_met_by_progress(self):
        index = operator.index
        try:
            self.execute("import operator\noperator.index = None")
            self.execute("import gild\ngild.progress(1)")
        finally:
            operator.index = index
        self.assertEqual(told, [(1, 0)])

    def test_gild_says_what_it_is(self):
        self.execute("import gild\nassert gild.__doc__ and gild.progress.__doc__ and gild.progress.__module__ == 'gild'")

    def test_loggings_lock_is_free_again(self):
        acquired_by_one_that_is_gone = threading.Thread(target=logging._lock.acquire)
        acquired_by_one_that_is_gone.start()
        acquired_by_one_that_is_gone.join()
        self.assertFalse(logging._lock.acquire(blocking=False))
        self.bootstrap.free_logging()
        self.assertTrue(logging._lock.acquire(blocking=False))
        self.bootstrap.free_logging()  # ours, too
        self.assertFalse(logging._lock._is_owned())
        self.bootstrap.free_logging()
        self.assertFalse(logging._lock._is_owned())

    def test_buffers_of_a_pickle_come_from_beside_it(self):
        buffers = []
        pickled = pickle.dumps(((pickle.PickleBuffer(bytearray(b"abc")),), {}), protocol=5, buffer_callback=buffers.append)
        self.assertEqual(self.bootstrap.call(bytes, pickled, [bytearray(b"xyz")]), b"xyz")
        self.assertEqual(len(buffers), 1)

    def test_an_error_that_cannot_be_pickled_or_is_too_large_is_none(self):
        unsendable = ValueError(threading.Lock())
        self.assertEqual(pickle.loads(self.bootstrap.pickled_error(KeyError(3), 1000)).args, (3,))
        self.assertIsNone(self.bootstrap.pickled_error(unsendable, 1000))
        self.assertIsNone(self.bootstrap.pickled_error(KeyError("x" * 1000), 1000))

    def test_joining_waits_for_the_tasks_own_threads_only(self):
        go, other_may_end = threading.Event(), threading.Event()
        ended = []
        mine = threading.Thread(target=lambda: (go.wait(), ended.append("mine")))
        other = threading.Thread(target=other_may_end.wait)
        mine.start()
        other.start()
        go.set()
        self.bootstrap.join_threads({mine.ident})
        self.assertEqual(ended, ["mine"])
        self.assertTrue(other.is_alive())
        other_may_end.set()
        other.join()


if __name__ == "__main__":
    unittest.main()
