"""What gild-interpreter does in Python: the steps of running a task.

Embedded in the binary and imported once, in the zygote, after streams.py. `_gild` is the C++ side (output.cc).
"""

import _gild
import asyncio
import builtins
import json
import linecache
import logging
import operator
import pickle
import sys
import threading
import traceback
import types

from _gild_streams import flush_streams, forget_streams, replacements  # for the C++ side, from here

# The functions below keep this copy: a task that replaces builtins.compile does not break the next one.
__builtins__ = dict(vars(builtins))

SOURCE_LINES_SHOWN_MAX = 20_000
_OURS = (__file__, "<gild event loop>", asyncio.runners.__file__, asyncio.base_events.__file__)  # frames not shown


class TaskStopped(BaseException):
    """Raised inside a task that was cancelled or ran out of time. Not an Exception, so `except Exception` lets it pass."""

    __module__ = "builtins"  # how a traceback names it


class EntryNotFound(Exception):
    """The code does not define the entry point the task names."""

    __module__ = "builtins"


def meet_stop():
    """Called for an exception that was raised in this thread from outside to arrive here, and to be gone.

    PyThreadState_SetAsyncExc(thread, NULL) takes it back, too, but CPython then looks for it for ever: in 3.12 loops become a third
    slower, in 3.11 a profile function never gets to the first call.
    """


PROGRESS_MAX = 2**64 - 1
_index = operator.index
_tell_progress = _gild.tell_progress


def progress(done, total=None):
    """Tells whoever watches the task (`gild run --follow`) how far it is: progress(3, 10), or progress(3) if there is no total.

    Whole numbers from 0 on; the latest word counts, of any of the task's threads. Does nothing in a thread of no task.
    """
    done, total = _index(done), 0 if total is None else _index(total)
    if not (0 <= done <= PROGRESS_MAX and 0 <= total <= PROGRESS_MAX):
        raise ValueError(f"progress({done}, {total}): not from 0 to 2**64 - 1")
    _tell_progress(done, total)


progress.__module__ = "gild"
_modules = sys.modules
_modules["gild"] = _api = types.ModuleType("gild", "What a task may say to gild, which runs it: gild.progress(done, total).")
_api.progress = progress


# What a task replaces in json, classes' methods too, is not ours: these are what json itself stands on (Lib/json/encoder.py).
_from_json = json.JSONDecoder().decode
_make_encoder, _json_string, _join = json.encoder.c_make_encoder, json.encoder.encode_basestring_ascii, "".join


def _refuse(value):
    raise TypeError(f"Object of type {type(value).__name__} is not JSON serializable")


def _to_json(value):
    """The text, without spaces; ValueError for what JSON has no number for (nan)."""
    if isinstance(value, str):
        return _json_string(value)
    # markers, default, encoder, indent, key_separator, item_separator, sort_keys, skipkeys, allow_nan
    return _join(_make_encoder({}, _refuse, _json_string, None, ":", ",", False, False, False)(value, 0))


def compiled(source, file_name):
    return compile(source, file_name, "exec", dont_inherit=True)


def call_entry(namespace, entry, arguments):
    """Calls what the body has defined. Arguments are (raw?, bytes)."""
    first, *rest = entry.split(".")
    try:
        function = namespace[first]
        for name in rest:
            function = getattr(function, name)
    except (KeyError, AttributeError):
        raise EntryNotFound(f"the code defines no {entry!r}") from None
    return function(*[value if raw else _from_json(value.decode()) for raw, value in arguments])


def encoded(result):
    """(True, bytes) for a raw result, or (False, json text as bytes)."""
    if isinstance(result, (bytes, bytearray, memoryview)):
        return True, bytes(result)
    return False, _to_json(result).encode()


# A task may replace pickle's own.
unpickle = pickle.loads
_pickle = pickle.dumps


def call(function, pickled_arguments, buffers):
    """Calls a function with the pickle of (args, kwargs)."""
    args, kwargs = unpickle(pickled_arguments, buffers=buffers) if pickled_arguments else ((), {})
    return function(*args, **kwargs)


def pickled(result):
    try:
        return _pickle(result, protocol=5)
    except (pickle.PicklingError, AttributeError, TypeError):
        # What pickle cannot name, a lambda or a local class, cloudpickle sends by value.
        try:
            from cloudpickle import dumps
        except ModuleNotFoundError:
            pass
        else:
            return dumps(result, protocol=5)
        raise


def pickled_result(result):
    try:
        return pickled(result)
    except (pickle.PicklingError, AttributeError, TypeError) as error:
        error.args = (f"what the task returned cannot be pickled: {error}",)
        raise


_logging_lock, _renew_logging_locks = logging._lock, logging._after_at_fork_child_reinit_locks


def free_logging():
    """Before a task that has the process to itself: the last one may have left logging's lock with a thread that is gone.

    Whoever logs would wait for it for ever, and that is also a coroutine that was never awaited, when it is collected.
    """
    if _logging_lock._is_owned() or not _logging_lock.acquire(blocking=False):
        _renew_logging_locks()
    else:
        _logging_lock.release()


def pickled_error(error, bytes_max):
    """None where it cannot be sent as itself."""
    try:
        data = pickled(error)
    except Exception:
        return None
    return data if len(data) <= bytes_max else None


# A task may replace asyncio's own.
run_coroutine = asyncio.run
# Known from here on: a loop that is made asks, and a task may have kept logging's lock.
asyncio.log.logger.isEnabledFor(10)


# A task may replace threading's own.
_all_threads, _current_thread = threading.enumerate, threading.current_thread


def adopt_thread():
    """A thread that Python has not started counts as a daemon, and so would those that a task starts there: none would be waited for."""
    _current_thread()._daemonic = False
    # From Python 3.13 on it is forgotten with the thread's locals (threading._DeleteDummyThreadOnDel), of which each task has its own.
    local = getattr(threading, "_thread_local_info", None)
    if hasattr(local, "_track_dummy_thread_ref"):
        local._track_dummy_thread_ref._tident = None


def join_threads(idents):
    """As Python does before it exits: waits for the task's own non-daemon threads.

    A worker of concurrent.futures ends when its executor is gone, which is later: it is not waited for here.
    """
    futures = _modules.get("concurrent.futures.thread")
    pool_workers = futures._threads_queues if futures is not None else ()
    for thread in _all_threads():
        if thread.ident in idents and not thread.daemon and thread not in pool_workers:
            if thread is not _current_thread():
                thread.join()


def exit_code(error):
    """The code of a SystemExit; a message is printed as Python would."""
    code = error.code
    if code is None:
        return 0
    if isinstance(code, int):
        return code & 0xFF if -(2**63) <= code < 2**63 else 255  # as CPython does
    print(code, file=sys.stderr)
    return 1


_describing = threading.RLock()  # a stopped task leaves a plain Lock too early (blocking_calls.cc)


def _before_start(error, frames, file_name):
    """Whether the body could not start: it does not compile, or a module that it imports at its top level, or is called from, is missing."""
    if frames is None:
        return isinstance(error, (SyntaxError, ModuleNotFoundError))
    if not isinstance(error, ModuleNotFoundError):
        return False
    importing = "<frozen importlib"
    codes = [frame.f_code for frame, _ in traceback.walk_tb(frames)]
    # What pickle imports, for a function or an argument, is in no code of the task's.
    if codes[0].co_filename != file_name and not codes[0].co_filename.startswith(importing):
        return False
    return all(code.co_name == "<module>" or code.co_filename.startswith(importing) for code in codes)


def describe(error, file_name, source):
    """(type, message, traceback, before_start) of an exception; texts in UTF-8, without the frames that are ours."""
    kind = type(error)
    name = kind.__qualname__
    if kind.__module__ not in ("builtins", "__main__"):
        name = f"{kind.__module__}.{name}"
    try:
        message = str(error)
    except Exception as second:
        message = f"<its str() raised {type(second).__name__}>"
    frames = error.__traceback__
    while frames is not None and frames.tb_frame.f_code.co_filename in _OURS:
        frames = frames.tb_next
    text = source.decode("utf-8", "replace")
    lines = f"{text}\n".splitlines(keepends=True) if text.count("\n") <= SOURCE_LINES_SHOWN_MAX else []
    with _describing:
        linecache.cache[file_name] = (len(text), None, lines, file_name)
        try:
            shown = "".join(traceback.format_exception(kind, error, frames))
        except Exception as second:
            shown = f"<the traceback could not be formatted: {type(second).__name__}>\n"
        finally:
            linecache.cache.pop(file_name, None)
    texts = (text.encode("utf-8", "backslashreplace") for text in (name, message, shown))
    return *texts, _before_start(error, frames, file_name)


def reseed():
    """After a fork. `random` reseeds itself; numpy does not."""
    numpy_random = sys.modules.get("numpy.random")
    if numpy_random is not None:
        numpy_random.seed()
