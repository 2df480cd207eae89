"""The demo's promises, measured beside what they are promised against, in one run.

Starts a gild-server on free ports and the slow HTTP server, then takes turns:
  - 100 URLs in gild's I/O lane; asyncio; 100 warm threads            gild / best peer, promised at most 1.3
  - the machine's ideal; images and primes, CPU lane and one at a time  speed-up / ideal, promised at least 0.9
  - primes in the I/O lane; in CPython's own threads                  speed-up, promised 0.9 to 1.1
Prints the medians, and whether each promise holds; exits 1 when one does not. Ratios travel; seconds do not.

    lessons.py BIN_DIR [--turns 5] [--scale 1] [--json]

BIN_DIR holds gild, gild-server, gild-interpreter and ideal: build/test/bin, after ./test. With --server ADDR a running server is
used instead of an own one. Standard library only.
"""

import argparse
import contextlib
import json
import os
import pathlib
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator

HERE = pathlib.Path(__file__).resolve().parent
URLS = 100
PRIMES_LIMIT = 2_500_000  # the demo's


def free_port() -> int:
    """A port that was free a moment ago."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


@contextlib.contextmanager
def running(command: list[str], **options) -> Iterator[subprocess.Popen]:
    """A process that is told to end, and waited for, whatever happens."""
    process = subprocess.Popen(command, **options)
    try:
        yield process
    finally:
        process.terminate()
        process.wait(timeout=30)


@contextlib.contextmanager
def server(bin_dir: pathlib.Path) -> Iterator[str]:
    """The address of an own gild-server that answers."""
    address = f"127.0.0.1:{free_port()}"
    # What is downloaded is downloaded in both lanes.
    command = [str(bin_dir / "gild-server"), "--listen", address, "--http-listen", f"127.0.0.1:{free_port()}", "--cpu-network"]
    with running(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
        for _ in range(200):
            if process.poll() is not None:
                raise RuntimeError(f"gild-server exited with {process.returncode}: {' '.join(command)}")
            info = subprocess.run([bin_dir / "gild", "info", "--server", address], capture_output=True, check=False)
            if info.returncode == 0:
                yield address
                return
            time.sleep(0.05)
        raise RuntimeError("gild-server did not answer within 10 s")


@contextlib.contextmanager
def slow_pages(bin_dir: pathlib.Path) -> Iterator[str]:
    """The URL of page 0 of the demo's slow HTTP server."""
    with running(
        [str(bin_dir / "gild"), "demo", "--serve-urls"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        yield process.stdout.readline().strip()


def said(command: list) -> dict:
    """The one line of JSON that a program prints."""
    ran = subprocess.run([str(word) for word in command], capture_output=True, text=True, check=False)
    if ran.returncode != 0:
        raise RuntimeError(f"{' '.join(str(word) for word in command)} exited with {ran.returncode}: {ran.stderr}")
    return json.loads(ran.stdout)


class Bench:
    """Takes turns, and keeps what each turn measured by name."""

    def __init__(self, bin_dir: pathlib.Path, address: str, scale: float) -> None:
        self.bin_dir = bin_dir
        self.scale = scale
        self.demo = [bin_dir / "gild", "demo", "--json", "--server", address, "--scale", scale]
        self.figures: dict[str, list[float]] = {}

    def note(self, name: str, value: float) -> None:
        self.figures.setdefault(name, []).append(value)

    def median(self, name: str) -> float:
        return statistics.median(self.figures[name])

    def urls(self, page: str, url_file: str) -> None:
        """One turn of lesson one. A scale does not apply: the promise is about 100."""
        rows = said([*self.demo, "--only", "urls", "--lanes", "io", "--no-baseline", "--url-file", url_file])["rows"]
        self.note("urls gild io seconds", rows[0]["wall_seconds"])
        peers = said(["/usr/bin/python3", HERE / "peers.py", page, "--count", URLS])
        self.note("urls asyncio seconds", peers["asyncio"][0])
        self.note("urls threads seconds", peers["threads"][0])

    def ideal(self) -> float:
        return said([self.bin_dir / "ideal"])["speedup"]

    def cores(self) -> None:
        """One turn of lessons two and three, the ideal before and after each, so that a machine that drifts is seen."""
        before = self.ideal()
        for workload in ("images", "primes"):
            # Each lane with a run one at a time of its own just before, for the same reason.
            rows = said([*self.demo, "--only", workload, "--lanes", "cpu"])["rows"]
            after = self.ideal()
            ideal = statistics.mean((before, after))
            self.note(f"ideal speedup around {workload}", ideal)
            self.note(f"{workload} gild cpu speedup", rows[0]["speedup"])
            self.note(f"{workload} cpu speedup / ideal", rows[0]["speedup"] / ideal)
            before = after
        rows = said([*self.demo, "--only", "primes", "--lanes", "io"])["rows"]
        self.note("primes gild io speedup", rows[0]["speedup"])
        limit = int(PRIMES_LIMIT * self.scale)
        plain = said(["/usr/bin/python3", HERE / "plain_threads.py", "--limit", limit])
        self.note("primes plain threads speedup", plain["speedup"])

    def promises(self) -> list[tuple[str, float, str, bool]]:
        best_peer = min(self.median("urls asyncio seconds"), self.median("urls threads seconds"))
        urls = self.median("urls gild io seconds") / best_peer
        images = self.median("images cpu speedup / ideal")
        primes = self.median("primes cpu speedup / ideal")
        threads = self.median("primes gild io speedup")
        return [
            ("100 URLs, I/O lane / best peer", urls, "at most 1.3", urls <= 1.3),
            ("images, CPU lane speed-up / ideal", images, "at least 0.9", images >= 0.9),
            ("primes, CPU lane speed-up / ideal", primes, "at least 0.9", primes >= 0.9),
            ("primes, I/O lane speed-up", threads, "0.9 to 1.1", 0.9 <= threads <= 1.1),
        ]


def report(bench: Bench, as_json: bool) -> None:
    if as_json:
        names = [dict(zip(("name", "value", "promised", "kept"), row)) for row in bench.promises()]
        print(json.dumps({"figures": bench.figures, "promises": names}))
        return
    print(f"{'FIGURE':<36}  {'MEDIAN':>8}  {'LOWEST':>8}  {'HIGHEST':>8}")
    for name, values in bench.figures.items():
        print(f"{name:<36}  {statistics.median(values):8.3f}  {min(values):8.3f}  {max(values):8.3f}")
    print(f"\n{'PROMISE':<36}  {'MEDIAN':>8}  {'PROMISED':<14}  KEPT")
    for name, value, promised, kept in bench.promises():
        print(f"{name:<36}  {value:8.3f}  {promised:<14}  {'yes' if kept else 'NO'}")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("bin_dir", type=pathlib.Path, help="where gild, gild-server and ideal are")
    parser.add_argument("--turns", type=int, default=5, help="turns of each measurement (5)")
    parser.add_argument("--scale", type=float, default=1, help="factor on images and primes (1)")
    parser.add_argument("--server", help="host:port of a server that runs already")
    parser.add_argument("--json", action="store_true", help="one line of JSON")
    options = parser.parse_args()
    bin_dir = options.bin_dir.resolve()
    with contextlib.ExitStack() as stack:
        address = options.server or stack.enter_context(server(bin_dir))
        page = stack.enter_context(slow_pages(bin_dir))
        list_file = stack.enter_context(tempfile.NamedTemporaryFile("w", suffix=".txt"))
        base = page.rsplit("/", 1)[0]
        list_file.writelines(f"{base}/{number}\n" for number in range(URLS))
        list_file.flush()
        bench = Bench(bin_dir, address, options.scale)
        for turn in range(options.turns):
            print(f"turn {turn + 1} of {options.turns}", file=sys.stderr)
            bench.urls(page, list_file.name)
            bench.cores()
    report(bench, options.json)
    return 0 if all(kept for *_, kept in bench.promises()) else 1


if __name__ == "__main__":
    os.environ.pop("GILD_SERVER", None)
    sys.exit(main())
