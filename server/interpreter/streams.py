"""sys.stdin, sys.stdout and sys.stderr of tasks: each prints into its own page, and replaces none for its neighbours.

Embedded in the binary and imported once, in the zygote, before bootstrap.py. `_gild` is the C++ side (output.cc).
"""

import _gild
import builtins
import importlib
import io
import sys
import traceback
import types

# The functions below keep this copy: a task that replaces builtins.property does not break the next one.
__builtins__ = dict(vars(builtins))


class OutputLimitExceeded(BaseException):
    """Raised by a print beyond the output limit, when the task asked to be ended for it."""

    __module__ = "builtins"


class TaskOutput(io.RawIOBase):
    """Bytes that go to whichever task the calling thread works for; dropped when it works for none."""

    def __init__(self, stream, name):
        self._stream = stream
        self.name = name
        self.mode = "wb"

    def writable(self):
        return True

    def write(self, data):
        if not _gild.write_output(self._stream, data):
            raise OutputLimitExceeded
        return memoryview(data).nbytes

    def close(self):
        """Shared by all tasks: one must not close it for the others."""


class NoInput(io.RawIOBase):
    """Ends at once: nobody gives a task input."""

    name = "<stdin>"
    mode = "rb"

    def readable(self):
        return True

    def readinto(self, buffer):
        return 0

    def close(self):
        """Shared by all tasks, as above."""


# What the tasks themselves put in place of sys.stdin, sys.stdout and sys.stderr: {(serial, name): object}.
replacements = {}
_captured = {}  # {name: the stream that prints into the task's own page, or has no input}
_sys_contents = vars(sys)
_sys_streams = {}  # what print() finds, and the originals


class Replaceable:
    """What print() finds under sys.stdout, and input() under sys.stdin: the calling task's replacement, else what all have.

    It looks into sys.__dict__, past the property below.
    """

    def __init__(self, name):
        self._key = name

    def write(self, text):
        stream = _stream(self._key)
        return len(text) if stream is None else stream.write(text)

    def flush(self):
        stream = _stream(self._key)
        if stream is not None:
            stream.flush()

    def __getattr__(self, attribute):
        return getattr(_stream(self._key), attribute)


def _stream(name):
    return replacements.get((_gild.task_serial(), name), _captured[name])


def _replaceable(name):
    def replace(_, stream):
        if stream is _captured[name]:
            replacements.pop((_gild.task_serial(), name), None)
        else:
            replacements[_gild.task_serial(), name] = stream

    return property(lambda _: _stream(name), replace, lambda self: replace(self, None))


_Module = types.ModuleType


class Sys(_Module):
    """sys, but each task has streams of its own: contextlib.redirect_stdout in one is not seen by its neighbours."""

    def __new__(cls, name, doc=None):
        """A plain module: importlib makes all others with type(sys)."""
        return _Module(name, doc)

    def __reduce_ex__(self, _):
        return importlib.import_module, ("sys",)

    stdin = _replaceable("stdin")
    stdout = _replaceable("stdout")
    stderr = _replaceable("stderr")


# What it is elsewhere, for whoever says so: "Object of type module is not JSON serializable".
Sys.__name__ = Sys.__qualname__ = "module"


class SharedStream(io.TextIOWrapper):
    """What all tasks have: who takes it apart leaves it whole, and who sets it up anew gets one of its own."""

    def __init__(self, key, raw, errors):
        self._key = key
        super().__init__(raw, encoding="utf-8", errors=errors, newline="\n", write_through=True)

    def detach(self):
        return self.buffer

    def __reduce_ex__(self, _):
        return getattr, (sys, self._key)

    def reconfigure(self, *, encoding=None, errors=None, newline="\n", line_buffering=None, write_through=None):
        """Like TextIOWrapper's, from the next look at sys.stdout on; but the bytes go on at once, as they always do here."""
        if _stream(self._key) is not self:
            return  # the task prints elsewhere
        replacements[_gild.task_serial(), self._key] = io.TextIOWrapper(
            self.buffer,
            encoding=encoding or self.encoding,
            errors=errors or ("strict" if encoding else self.errors),
            newline=newline,
            write_through=True,
        )


def install_streams():
    _captured["stdin"] = SharedStream("stdin", NoInput(), "strict")
    for stream, name in ((1, "stdout"), (2, "stderr")):
        _captured[name] = SharedStream(name, TaskOutput(stream, f"<{name}>"), "backslashreplace")
    for name in _captured:
        _sys_streams[name] = Replaceable(name)
        _sys_streams[f"__{name}__"] = _captured[name]
    sys.__class__ = Sys
    _sys_contents.update(_sys_streams)


def flush_streams(serial):
    """As Python does before it exits."""
    for name in _captured:
        stream = replacements.get((serial, name))
        try:
            if stream is not None and not stream.closed:
                stream.flush()
        except Exception:
            print(f"Exception ignored while sys.{name} was flushed:", file=_captured["stderr"])
            traceback.print_exc(file=_captured["stderr"])


def forget_streams(serial):
    for name in _captured:
        replacements.pop((serial, name), None)
