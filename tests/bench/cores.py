"""Whose the cores' time was: 10 s of mixed load on a server of its own, against what the kernel says of its processes.

    cores.py BIN_DIR        (./run build makes build/release/bin)

Both lanes compute, wait and answer small tasks, on all cores. Run with /usr/bin/python3; other work on the machine does no
harm, it shows as `other`. Prints a line for each promise; exits 1 when one is broken.
"""

import argparse
import json
import pathlib
import re
import signal
import subprocess
import sys
import threading
import time

LOAD_S = 10
COMPUTE = "import time\nend = time.monotonic() + {seconds}\nwhile time.monotonic() < end:\n    sum(range(1000))\n"
MIXED = "import time\nend = time.monotonic() + {seconds}\nwhile time.monotonic() < end:\n    sum(range(20000))\n    time.sleep(0.002)\n"
SMALL = "sum(range(1000))"
KINDS = ("io_lane", "cpu_lane", "server", "other", "idle", "steal")


def seconds(text: str) -> float:
    return float(text.removesuffix("s"))


def process_seconds(pid: int) -> float:
    """utime + stime of getrusage(2) for that process, unrounded: the sum its clock counts (clock_getcpuclockid(3))."""
    return time.clock_gettime(~pid << 3 | 2)


def machine_seconds() -> float | None:
    """Of all processes of the machine, by cpuacct's root, which the server does not read. None: there is none."""
    for line in pathlib.Path("/proc/self/mounts").read_text().splitlines():
        _, mount_point, kind, options, *_ = line.split()
        if kind == "cgroup" and "cpuacct" in options.split(","):
            return int((pathlib.Path(mount_point) / "cpuacct.usage").read_text()) / 1e9
    return None


class Server:
    """A gild-server on free ports of loopback, and the command line that talks to it."""

    def __init__(self, bin_dir: pathlib.Path):
        self.gild = bin_dir / "gild"
        command = [bin_dir / "gild-server", "--listen", "127.0.0.1:0", "--http-listen", "127.0.0.1:0"]
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        line = self.process.stdout.readline()
        self.address = re.search(r"listening on (\S+), http", line).group(1)

    def command(self, *arguments: str) -> dict:
        done = subprocess.run([self.gild, *arguments, "--json", "--server", self.address], stdout=subprocess.PIPE, check=True)
        return json.loads(done.stdout)

    def run(self, tag: str, code: str) -> dict:
        return self.command("run", "--tag", tag, "--timeout", f"{2 * LOAD_S}s", "-c", code)

    def used(self) -> dict[str, float]:
        """What the interpreters of each lane have used, and the server."""
        lanes = {"io_lane": 0.0, "cpu_lane": 0.0, "server": process_seconds(self.process.pid)}
        for slot in self.command("stats")["interpreters"]:
            lanes[slot["lane"].lower()] += process_seconds(slot["pid"])
        return lanes

    def stop(self) -> None:
        self.process.send_signal(signal.SIGTERM)
        self.process.wait()


def small_tasks(server: Server, tag: str, until: float) -> None:
    while time.monotonic() < until:
        server.run(tag, SMALL)


def load(server: Server, cores: int) -> None:
    until = time.monotonic() + LOAD_S
    threads = [
        *(threading.Thread(target=server.run, args=("io", COMPUTE.format(seconds=LOAD_S / 2))) for _ in range(2)),
        *(threading.Thread(target=server.run, args=("io", MIXED.format(seconds=LOAD_S))) for _ in range(8)),
        *(threading.Thread(target=server.run, args=("cpu", COMPUTE.format(seconds=LOAD_S / 2))) for _ in range(cores)),
        *(threading.Thread(target=small_tasks, args=(server, tag, until)) for tag in ("io", "cpu")),
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("bin_dir", type=pathlib.Path, help="with gild, gild-server and gild-interpreter")
    server = Server(parser.parse_args().bin_dir.resolve())
    broken = 0

    def line(promise: str, figure: str, kept: bool) -> None:
        nonlocal broken
        broken += not kept
        print(f"{promise:<66} {figure:>22}  {'kept' if kept else 'BROKEN'}", flush=True)

    try:
        info = server.command("info")
        print(f"the split is {'exact' if info.get('core_split_exact') else 'estimated'}: {info['core_split_detail']}")
        generations = [slot["generation"] for slot in server.command("stats")["interpreters"]]
        used_before, before, machine_before = server.used(), server.command("stats"), machine_seconds()
        load(server, len(info["cores"]))
        machine, after, used_after = machine_seconds(), server.command("stats"), server.used()
        if [slot["generation"] for slot in after["interpreters"]] != generations:
            sys.exit("an interpreter was replaced: its clock is gone, run it again")
    finally:
        server.stop()

    wall = seconds(after["uptime"]) - seconds(before["uptime"])
    grown = [
        {kind: seconds(now[kind]) - seconds(then[kind]) for kind in KINDS}
        for then, now in zip(before["cores"], after["cores"])
    ]
    for kind in ("io_lane", "cpu_lane"):
        ours = sum(core[kind] for core in grown)
        rusage = used_after[kind] - used_before[kind]
        error = ours / rusage - 1
        line(f"{kind} within 2 % of rusage, {LOAD_S} s mixed load", f"{ours:.3f} / {rusage:.3f} s {100 * error:+.2f} %", abs(error) <= 0.02)
    for core, split in zip(info["cores"], grown):
        whole = sum(split.values())
        line(f"core {core}: the split adds up to the wall time, +-1 %", f"{whole:.3f} / {wall:.3f} s", abs(whole / wall - 1) <= 0.01)
    whole = sum(sum(split.values()) for split in grown)
    share = whole / (wall * len(grown))
    line("the split adds up to wall x cores, +-1 %", f"{100 * share:.3f} %", abs(share - 1) <= 0.01)
    # The sum is right by construction; that `other` is no place for errors, this shows.
    if machine is not None:
        busy = sum(sum(split[kind] for kind in KINDS[:4]) for split in grown)
        used = machine - machine_before
        kept = abs(busy - used) / (wall * len(grown)) <= 0.01
        line("busy by the split / by all processes, +-1 % of wall x cores", f"{busy:.2f} / {used:.2f} s", kept)
    print()
    for core, split in zip(info["cores"], grown):
        print(f"core {core}: " + ", ".join(f"{kind} {split[kind]:.2f} s" for kind in KINDS))
    server_used = used_after["server"] - used_before["server"]
    print(f"server by its group {sum(core['server'] for core in grown):.3f} s, by its own process's clock {server_used:.3f} s")
    lost = seconds(after["lost_parallelism"]) - seconds(before["lost_parallelism"])
    print(f"lost parallelism {lost:.2f} core-seconds of {wall * len(grown):.2f} at most")
    return 1 if broken else 0


if __name__ == "__main__":
    sys.exit(main())
