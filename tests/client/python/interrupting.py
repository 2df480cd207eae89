"""Ctrl-C for tests: in this thread, the main one, at a place of one's choice and not of chance."""

import contextlib
import dis
import gc
import signal
import sys


def raise_interrupts(test):
    """As a terminal's programs do; what runs in the background may have been told to ignore them."""
    test.addCleanup(signal.signal, signal.SIGINT, signal.signal(signal.SIGINT, signal.default_int_handler))


# Behind these CPython 3.11 and later look for signals (ceval.c, CHECK_EVAL_BREAKER).
LOOKS_FOR_SIGNALS = ("RESUME", "CALL", "CALL_FUNCTION_EX", "JUMP_BACKWARD")


@contextlib.contextmanager
def interrupted_at(place):
    """Ctrl-C within what is called: of the places where the handler could raise, in that one."""
    last = {}  # frames, and the bytecode that each is at

    def trace(frame, event, _):
        nonlocal place
        if frame.f_code.co_filename in (__file__, contextlib.__file__):
            return None
        frame.f_trace_opcodes = True
        if event == "opcode":
            before, last[frame] = last.get(frame), dis.opname[frame.f_code.co_code[frame.f_lasti]]
            place -= before in LOOKS_FOR_SIGNALS
            if place == 0:
                place = -1
                signal.raise_signal(signal.SIGINT)
        return trace

    gc.collect()
    gc.disable()  # a finalizer that happens to run would swallow it
    before = sys.gettrace()
    sys.settrace(trace)
    try:
        yield
    finally:
        sys.settrace(before)
        gc.enable()
