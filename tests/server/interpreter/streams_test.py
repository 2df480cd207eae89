"""streams.py on its own: the C++ side (`_gild`) is played by a list that collects what is written."""

import contextlib
import io
import pathlib
import pickle
import sys
import types
import unittest

SOURCE = pathlib.Path(__file__).resolve().parents[3] / "server" / "interpreter" / "streams.py"


def load():
    written = []

    def write_output(stream, data):
        if bytes(data):
            written.append((stream, bytes(data)))
        return True

    sys.modules["_gild"] = types.SimpleNamespace(write_output=write_output, task_serial=lambda: current_task)
    module = types.ModuleType("_gild_streams")
    exec(compile(SOURCE.read_text(), "<gild>", "exec"), vars(module))
    return module, written


current_task = 0


@contextlib.contextmanager
def work_for(serial):
    """The calling thread works for this task."""
    global current_task
    before, current_task = current_task, serial
    try:
        yield
    finally:
        current_task = before


@contextlib.contextmanager
def installed(streams):
    names = ("stdin", "stdout", "stderr", "__stdin__", "__stdout__", "__stderr__")
    kind, before = type(sys), {name: vars(sys)[name] for name in names}
    try:
        streams.install_streams()
        yield
    finally:
        sys.__class__ = kind
        vars(sys).update(before)


class Streams(unittest.TestCase):
    def setUp(self):
        self.streams, self.written = load()

    def test_streams_write_through(self):
        with installed(self.streams):
            print("hä", end="", flush=True)
            sys.stdout.buffer.write(b"\xff")
            print("no", file=sys.stderr, end="")
            sys.stdout.close()
        self.assertEqual(self.written, [(1, "hä".encode()), (1, b"\xff"), (2, b"no")])

    def test_a_replaced_stream_is_the_tasks_own(self):
        mine = io.StringIO()
        with installed(self.streams):
            captured = sys.stdout
            with work_for(1), contextlib.redirect_stdout(mine):
                print("mine")
                print("past it", file=captured)
                with work_for(2):
                    self.assertIs(sys.stdout, captured)
                    print("neighbour's", flush=True)
            with work_for(1):
                self.assertIs(sys.stdout, captured)
                sys.stdout = None
                print("nowhere", flush=True)
                self.streams.forget_streams(1)
                self.assertIs(sys.stdout, captured)
        self.assertEqual(mine.getvalue(), "mine\n")
        self.assertEqual(b"".join(data for _, data in self.written), b"past it\nneighbour's\n")
        self.assertEqual(self.streams.replacements, {})

    def test_nobody_gives_input_and_a_replaced_stdin_is_the_tasks_own(self):
        with installed(self.streams):
            with work_for(1):
                sys.stdin.close()
                sys.stdin = io.StringIO("one\n")
                self.assertEqual(input(), "one")
            with work_for(2):
                self.assertRaises(EOFError, input)
                self.assertEqual(sys.stdin.read(), "")

    def test_a_stream_that_is_taken_apart_or_set_up_anew_is_as_before_for_others(self):
        with installed(self.streams):
            with work_for(1):
                sys.stdout.reconfigure(encoding="latin-1", errors="replace")
                print("\xdf\u20ac", end="")
                io.TextIOWrapper(sys.__stderr__.detach(), encoding="utf-16-le", write_through=True).write("a")
            with work_for(2):
                print("\xdf", end="")
                print("b", end="", file=sys.stderr)
        self.assertEqual(self.written, [(1, b"\xdf?"), (2, b"a\0"), (1, b"\xc3\x9f"), (2, b"b")])

    def test_a_redirected_stream_stays_redirected_when_the_one_below_is_set_up_anew(self):
        with installed(self.streams), work_for(1):
            mine = io.StringIO()
            with contextlib.redirect_stdout(mine):
                sys.__stdout__.reconfigure(encoding="latin-1")
                print("mine", end="")
            self.assertEqual(mine.getvalue(), "mine")
        self.assertEqual(self.written, [])

    def test_what_a_replaced_stream_holds_is_flushed(self):
        with installed(self.streams), work_for(1):
            sys.stdout = io.TextIOWrapper(sys.stdout.detach(), encoding="utf-8")
            sys.stderr = io.StringIO()
            sys.stderr.close()
            print("held")
            self.assertEqual(self.written, [])
            self.streams.flush_streams(1)
        self.assertEqual(self.written, [(1, b"held\n")])

    def test_a_stream_that_cannot_be_flushed_is_told_of(self):
        with installed(self.streams), work_for(1):
            sys.stdout = object()
            self.streams.flush_streams(1)
        told = b"".join(data for _, data in self.written)
        self.assertTrue(told.startswith(b"Exception ignored while sys.stdout was flushed:\nTraceback"), told)
        self.assertEqual({stream for stream, _ in self.written}, {2})

    def test_streams_and_sys_are_pickled_by_name(self):
        with installed(self.streams):
            pickled = pickle.dumps((sys, sys.stdout, sys.__stderr__, sys.stdin))
        self.assertEqual(pickle.loads(pickled), (sys, sys.stdout, sys.stderr, sys.stdin))

    def test_modules_that_are_imported_later_are_plain_ones(self):
        known = sys.modules.pop("colorsys", None)
        with installed(self.streams):
            import colorsys

            self.assertIs(type(colorsys), types.ModuleType)
            self.assertIsNot(type(sys), types.ModuleType)
        if known is not None:
            sys.modules["colorsys"] = known

    def test_a_stream_that_writes_to_the_one_it_replaced_does_not_go_round_in_circles(self):
        class Tee:
            def __init__(self, stream):
                self.stream = stream

            def write(self, text):
                self.stream.write(text.upper())

        with installed(self.streams), work_for(1):
            sys.stdout = Tee(sys.stdout)
            print("a", end="")
            del sys.stdout
        self.assertEqual(self.written, [(1, b"A")])


if __name__ == "__main__":
    unittest.main()
