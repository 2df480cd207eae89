#!/usr/bin/python3
"""The Python client against what users have without it, in turns within one run.

    /usr/bin/python3 tests/bench/client.py build/release/bin [--turns 9]

Every figure is a ratio of the two sides of one turn; printed are its median and where nine of ten turns lie.
"""

import argparse
import asyncio
import concurrent.futures
import io
import pathlib
import statistics
import subprocess
import sys
import time

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "client" / "python"))
import gild  # noqa: E402

WORKERS = 2
NOOPS = 20_000
ROUND_TRIPS = 2_000
MAP_ITEMS = 500_000
IMAGES = 1000
URLS = 100
URL_S = 0.05


def noop():
    return None


def successor(x):
    return x + 1


def resize(seed):
    """A photo's thumbnail, in memory."""
    from PIL import Image

    image = Image.effect_noise((640, 480), 50 + seed % 10)
    out = io.BytesIO()
    image.resize((160, 120), Image.LANCZOS).save(out, "JPEG")
    return len(out.getvalue())


def exchange(port):
    """What asyncio's side does (fetch_asynchronously), byte by byte."""
    import socket

    with socket.create_connection(("127.0.0.1", port)) as connection:
        connection.sendall(b"GET / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
        received = b""
        while more := connection.recv(65536):
            received += more
    return len(received.partition(b"\r\n\r\n")[2])


def fetch(port):
    """The same with all that a library makes of it."""
    import urllib.request

    with urllib.request.urlopen(f"http://127.0.0.1:{port}/") as reply:
        return len(reply.read())


def seconds(call):
    start = time.perf_counter()
    call()
    return time.perf_counter() - start


def noops_s(executor):
    def run():
        for future in [executor.submit(noop) for _ in range(NOOPS)]:
            future.result()

    return seconds(run)


def round_trip_s(executor):
    return statistics.median(seconds(lambda: executor.submit(noop).result()) for _ in range(ROUND_TRIPS))


def map_s(executor, **options):
    return seconds(lambda: sum(executor.map(successor, range(MAP_ITEMS), **options)))


class Report:
    def __init__(self):
        self.kept = True

    def ratio(self, what, ratios, bound, at_least):
        ratios = sorted(ratios)
        median = statistics.median(ratios)
        kept = median >= bound if at_least else median <= bound
        self.kept &= kept
        low, high = ratios[len(ratios) // 20], ratios[-1 - len(ratios) // 20]
        print(f"{what:58} {median:6.2f}  ({low:.2f} to {high:.2f})  {'≥' if at_least else '≤'} {bound}  {'kept' if kept else 'MISSED'}", flush=True)


def against_a_pool(target, turns, report):
    rates, trips, maps = [], [], []
    with gild.Executor(target, tag="cpu") as ours, concurrent.futures.ProcessPoolExecutor(WORKERS) as pool:
        for executor in (ours, pool):
            noops_s(executor)
        for _ in range(turns):
            mine, theirs = noops_s(ours), noops_s(pool)
            rates.append(theirs / mine)
            print(f"  no-ops a second: gild {NOOPS / mine:.0f}, process pool {NOOPS / theirs:.0f}")
            mine, theirs = round_trip_s(ours), round_trip_s(pool)
            trips.append(mine / theirs)
            print(f"  round trip: gild {mine * 1e6:.0f} us, process pool {theirs * 1e6:.0f} us")
            mine, theirs = map_s(ours), map_s(pool, chunksize=100)
            maps.append(theirs / mine)
            print(f"  mapped a second: gild {MAP_ITEMS / mine:.0f}, process pool {MAP_ITEMS / theirs:.0f}")
    report.ratio("no-op tasks a second, of a process pool's", rates, 3, True)
    report.ratio("sequential round trip, of a process pool's", trips, 2, False)
    report.ratio("map of a trivial function, of chunksize=100", maps, 2, True)


def images(target, turns, report):
    """Start-up included: each turn makes its executor."""

    def run(make, **options):
        def once():
            with make() as executor:
                assert len(list(executor.map(resize, range(IMAGES), **options))) == IMAGES

        return seconds(once)

    ratios = []
    for _ in range(turns):
        mine = run(lambda: gild.Executor(target, tag="cpu"))
        theirs = run(lambda: concurrent.futures.ProcessPoolExecutor(WORKERS), chunksize=10)
        ratios.append(theirs / mine)
        print(f"  {IMAGES} images: gild {mine:.2f} s, process pool {theirs:.2f} s")
    report.ratio("resized images a second, of a pool's with chunksize=10", ratios, 0.95, True)


async def answer_slowly(reader, writer):
    await reader.readuntil(b"\r\n\r\n")
    await asyncio.sleep(URL_S)
    writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nConnection: close\r\n\r\nhello")
    await writer.drain()
    writer.close()


async def fetch_asynchronously(port):
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(b"GET / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
    body = (await reader.read()).partition(b"\r\n\r\n")[2]
    writer.close()
    return len(body)


def serve_slowly():
    async def serve():
        server = await asyncio.start_server(answer_slowly, "127.0.0.1", 0, backlog=1000)
        print(server.sockets[0].getsockname()[1], flush=True)
        await server.serve_forever()

    asyncio.run(serve())


def urls(target, turns, report):
    pages = subprocess.Popen([sys.executable, __file__, "--serve-slowly"], stdout=subprocess.PIPE, text=True)
    try:
        port = int(pages.stdout.readline())

        async def all_of_them():
            return await asyncio.gather(*(fetch_asynchronously(port) for _ in range(URLS)))

        by_exchange, by_library = [], []
        with gild.Executor(target, tag="io") as executor:
            executor.submit(fetch, port).result()
            for _ in range(turns):
                theirs = seconds(lambda: asyncio.run(all_of_them()))
                mine = seconds(lambda: list(executor.map(exchange, [port] * URLS)))
                with_library = seconds(lambda: list(executor.map(fetch, [port] * URLS)))
                by_exchange.append(mine / theirs)
                by_library.append(with_library / theirs)
                print(f"  {URLS} URLs: gild {mine * 1e3:.0f} ms, with urllib {with_library * 1e3:.0f} ms, asyncio's streams {theirs * 1e3:.0f} ms")
        report.ratio("100 URLs of 50 ms, wall of asyncio's, the same exchange", by_exchange, 1.3, False)
        report.ratio("100 URLs of 50 ms by urllib, against bare streams", by_library, 1.3, False)
    finally:
        pages.kill()
        pages.wait()


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("bin", nargs="?", type=pathlib.Path)
    parser.add_argument("--turns", type=int, default=9)
    parser.add_argument("--only", choices=("pool", "images", "urls"))
    parser.add_argument("--serve-slowly", action="store_true", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.serve_slowly:
        return serve_slowly()
    command = [arguments.bin / "gild-server", "--listen", "127.0.0.1:0", "--http-listen", "127.0.0.1:0", "--preload", "numpy,PIL.Image"]
    server = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
    report = Report()
    try:
        target = server.stdout.readline().split()[3].rstrip(",")
        for name, part in (("pool", against_a_pool), ("images", images), ("urls", urls)):
            if arguments.only in (None, name):
                part(target, arguments.turns, report)
    finally:
        server.terminate()
        server.wait()
    return 0 if report.kept else 1


if __name__ == "__main__":
    sys.exit(main())
