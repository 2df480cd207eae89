"""What CPython's own threads make of the third lesson: primes counted in 8 parts, one after the other and in 8 threads.

Prints one line of JSON: {"one": seconds, "threads": seconds, "speedup": one / threads}. The lock lets no two of them run at a
time, so at best 1; what is lost beyond is the machine's: a core that was idle a moment ago is slower for a while.

    plain_threads.py [--limit 2500000]
"""

import argparse
import json
import threading
import time

PARTS = 8


def count(part, parts, limit):
    """The demo's own, word for word."""
    found = 0
    for candidate in range(3 + 2 * part, limit + 1, 2 * parts):
        divisor = 3
        while divisor * divisor <= candidate:
            if candidate % divisor == 0:
                break
            divisor += 2
        else:
            found += 1
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--limit", type=int, default=2_500_000, help="primes up to this (2500000)")
    limit = parser.parse_args().limit
    begin = time.perf_counter()
    for part in range(PARTS):
        count(part, PARTS, limit)
    between = time.perf_counter()
    threads = [threading.Thread(target=count, args=(part, PARTS, limit)) for part in range(PARTS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    one, many = between - begin, time.perf_counter() - between
    print(json.dumps({"one": one, "threads": many, "speedup": one / many}))


if __name__ == "__main__":
    main()
