"""Bad citizens that want too much."""

import signal
import sys
import threading


def memory(size_bytes):
    """Wants it in one piece."""
    return len(bytearray(size_bytes))


def memory_in_pieces():
    """Wants it piece by piece, for ever."""
    pieces = []
    while True:
        pieces.append(bytearray(1 << 20))


def processor():
    while True:
        pass


def processor_in_a_thread_left_to_join():
    """The entry returns at once; Python waits for such a thread at its end."""
    threading.Thread(target=processor).start()


def processor_with_signals_blocked():
    signal.pthread_sigmask(signal.SIG_BLOCK, signal.valid_signals())
    processor()


def processor_in_threads():
    threads = [threading.Thread(target=processor, daemon=True) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def output(size_bytes):
    """Prints so much, in lines of 100 bytes."""
    for _ in range(size_bytes // 100):
        print("x" * 99)


def errors(size_bytes):
    sys.stderr.write("x" * size_bytes)


def output_for_ever():
    while True:
        print("x" * 99)


def result(size_bytes):
    return "x" * size_bytes


def raw_result(size_bytes):
    return b"x" * size_bytes
