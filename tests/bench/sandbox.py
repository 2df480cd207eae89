"""What the sandbox costs, and how soon an interpreter that nobody has used is there.

    sandbox.py BIN_DIR [--turns 60] [--seconds 4] [--cost-turns 11]

BIN_DIR holds gild, gild-server, gild-interpreter and fresh: build/test/bin, after ./test. As root, on a machine that has nothing else to
do; with /usr/bin/python3. Servers of its own, with numpy and Pillow preloaded. bwrap (package bubblewrap) is measured where it is there.
Prints a line for each promise, then figures that nothing was promised of; exits 1 when a promise is broken.
"""

import argparse
import json
import os
import pathlib
import re
import shutil
import statistics
import subprocess
import sys
import time

from promises import Report, Server

PRELOAD = ("--preload", "numpy,PIL.Image")
MEASURED_LAYERS = "seccomp,memory-group,pids-group,cpu-group,kill-group"
NOOPS = 4000


def ms(command: list[str], times: int = 15) -> float:
    """The median time of a whole command."""
    took = []
    for _ in range(times):
        begin = time.perf_counter()
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
        took.append(1000 * (time.perf_counter() - begin))
    return statistics.median(took)


def replacement(bin_dir: pathlib.Path, options: argparse.Namespace, report: Report) -> None:
    server = Server(bin_dir, *PRELOAD, "--cpu-interpreters", "1", "--fresh-stock", "4")
    try:
        ran = subprocess.run([bin_dir / "fresh", server.address, str(options.turns), "0.1"], capture_output=True, text=True, check=True)
    finally:
        server.stop()
    figures = json.loads(ran.stdout)
    ratio = figures["replaced"] / figures["fork"]
    report.line("death to ready / bare fork <= 1.6", f"{figures['replaced']:.2f} / {figures['fork']:.2f} ms = {ratio:.2f}", ratio <= 1.6)
    report.line("from the stock <= 1 ms", f"{figures['from_stock']:.3f} ms", figures["from_stock"] <= 1)
    ratio = figures["fresh"] / figures["shared"]
    report.line("FRESH / SHARED round trip <= 1.3", f"{figures['fresh']:.3f} / {figures['shared']:.3f} ms = {ratio:.2f}", ratio <= 1.3)


def sustained(bin_dir: pathlib.Path, options: argparse.Namespace, report: Report) -> None:
    server = Server(bin_dir, *PRELOAD)
    try:
        ran = subprocess.run([bin_dir / "fresh", server.address, "1", str(options.seconds)], capture_output=True, text=True, check=True)
        rate = json.loads(ran.stdout)["fresh_per_s"]
        report.line(f"FRESH tasks a second, {options.seconds:g} s, {os.cpu_count()} cores >= 200", f"{rate:.0f}", rate >= 200)
        time.sleep(0.5)
        idle = [private_kib(slot["pid"]) for slot in server.command("stats")["interpreters"] if slot["slot"].startswith("cpu-")]
        worst = max(idle) / 1024
        report.line(f"private memory of {len(idle)} idle CPU interpreters, worst <= 1.5 MiB", f"{worst:.2f} MiB", worst <= 1.5)
    finally:
        server.stop()


def private_kib(pid: int) -> int:
    rollup = pathlib.Path(f"/proc/{pid}/smaps_rollup").read_text()
    return sum(int(kib) for kib in re.findall(r"^Private_(?:Clean|Dirty): +(\d+) kB", rollup, re.MULTILINE))


def tree_cpu_s(pid: int) -> float:
    """Processor time of a process and all beneath it, by the scheduler's clock."""
    total = 0
    for task in pathlib.Path(f"/proc/{pid}/task").iterdir():
        total += int((task / "schedstat").read_text().split()[0]) / 1e9
        for child in (task / "children").read_text().split():
            total += tree_cpu_s(int(child))
    return total


def cost(bin_dir: pathlib.Path, options: argparse.Namespace, report: Report) -> None:
    servers = [Server(bin_dir), Server(bin_dir, "--without-layers", MEASURED_LAYERS)]
    try:
        used: list[list[float]] = [[], []]
        for turn in range(options.cost_turns + 1):
            for server, times in zip(servers, used):
                before = tree_cpu_s(server.process.pid)
                server.command("bench", "noop", "--tag", "cpu", "--outstanding", "8", "--tasks", str(NOOPS), "--warm-up", "1ms")
                if turn > 0:  # the first warms up
                    times.append(1e6 * (tree_cpu_s(server.process.pid) - before) / NOOPS)
        ratios = [with_it / without for with_it, without in zip(*used)]
        ratio = statistics.median(ratios)
        report.line(
            "processor time of a no-op with / without seccomp and groups <= 1.05",
            f"{statistics.median(used[0]):.1f} / {statistics.median(used[1]):.1f} us = {ratio:.3f}",
            ratio <= 1.05,
        )
        print(f"  lowest to highest of {len(ratios)} turns: {min(ratios):.3f} to {max(ratios):.3f}")
    finally:
        for server in servers:
            server.stop()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("bin_dir", type=pathlib.Path, help="where gild, gild-server and fresh are")
    parser.add_argument("--turns", type=int, default=60, help="of each replacement and round trip (60)")
    parser.add_argument("--seconds", type=float, default=4, help="of the sustained rate (4)")
    parser.add_argument("--cost-turns", type=int, default=11, help="with and without the layers (11)")
    options = parser.parse_args()
    bin_dir = options.bin_dir.resolve()
    report = Report()
    replacement(bin_dir, options, report)
    sustained(bin_dir, options, report)
    cost(bin_dir, options, report)
    python = ["/usr/bin/python3", "-c", "pass"]
    print(f"beside it: a cold python3 -c pass {ms(python):.1f} ms")
    if bwrap := shutil.which("bwrap"):
        walls = [bwrap, "--ro-bind", "/", "/", "--proc", "/proc", "--dev", "/dev", "--tmpfs", "/tmp", "--unshare-all", "--die-with-parent"]
        print(f"           the same in bwrap --unshare-all {ms([*walls, *python]):.1f} ms")
    sys.exit(1 if report.broken else 0)


if __name__ == "__main__":
    main()
