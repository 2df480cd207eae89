"""What gild promises of its meter, its stops and its health, measured on a server of its own.

    promises.py BIN_DIR        (./run build makes build/release/bin)

Through the command line `gild`; gRPC health through Debian's python3-grpcio, which ./test installs. Run with /usr/bin/python3
on a machine that has nothing else to do. Prints a line for each promise; exits 1 when one is broken.
"""

import argparse
import json
import os
import pathlib
import re
import signal
import subprocess
import sys
import threading
import time
import urllib.request

import grpc

SPIN_UNTIL = "import time\nwhile time.monotonic() < {end}:\n    pass\n"
SLEEP = "import time\ntime.sleep(2)\n"
HOLD = "import ctypes\nctypes.PyDLL(None).sleep(30)\n"
PROBED_S = 28  # of the 30
BLOCKING = {
    "sleep": "import time\ntime.sleep(60)",
    "recv": "import socket\na, b = socket.socketpair()\na.recv(1)",
    "lock.acquire": "import threading\nlock = threading.Lock()\nlock.acquire()\nlock.acquire()",
    "Event.wait": "import threading\nthreading.Event().wait()",
    "select": "import select, socket\na, b = socket.socketpair()\nselect.select([a], [], [])",
    "subprocess wait": "import subprocess\nsubprocess.run(['sleep', '60'])",
}
HANG = "import re\nre.match('(a+)+b', 'a' * 60)"
LIMIT_S = 0.3


def seconds(text: str) -> float:
    """A duration as `gild --json` prints it: "1.5s"."""
    return float(text.removesuffix("s"))


class Server:
    """A gild-server on free ports of loopback, and the command line that talks to it."""

    def __init__(self, bin_dir: pathlib.Path, *flags: str):
        self.gild = bin_dir / "gild"
        command = [bin_dir / "gild-server", "--listen", "127.0.0.1:0", "--http-listen", "127.0.0.1:0", *flags]
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        line = self.process.stdout.readline()
        self.address, self.http = re.search(r"listening on (\S+), http (\S+)", line).groups()

    def command(self, *arguments: str) -> dict:
        done = subprocess.run(
            [self.gild, *arguments, "--json", "--server", self.address], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
        )
        return json.loads(done.stdout)

    def run(self, tag: str, code: str, *arguments: str) -> dict:
        return self.command("run", "--tag", tag, *arguments, "-c", code)

    def run_at_once(self, tag: str, codes: list[str]) -> list[dict]:
        answers = [{} for _ in codes]

        def one(index: int) -> None:
            answers[index] = self.run(tag, codes[index])

        threads = [threading.Thread(target=one, args=(index,)) for index in range(len(codes))]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        return answers

    def slot(self, name: str) -> dict:
        return next(slot for slot in self.command("stats")["interpreters"] if slot["slot"] == name)

    def get(self, path: str) -> None:
        try:
            urllib.request.urlopen(f"http://{self.http}{path}").read()
        except urllib.error.HTTPError:
            pass  # an answer, too

    def stop(self) -> None:
        self.process.send_signal(signal.SIGTERM)
        self.process.wait()


class Report:
    def __init__(self):
        self.broken = 0

    def line(self, promise: str, figure: str, kept: bool) -> None:
        self.broken += not kept
        print(f"{promise:<58} {figure:>16}  {'kept' if kept else 'BROKEN'}", flush=True)


def meter(server: Server, report: Report) -> None:
    for tasks in (1, 2, 4, 8):
        # All end at one moment of the machine's one clock, so the longest run is the wall.
        spin = SPIN_UNTIL.format(end=time.monotonic() + 2.5)
        answers = server.run_at_once("io", [spin] * tasks)
        hold = sum(seconds(answer["lock"]["hold"]) for answer in answers)
        run = max(seconds(answer["usage"]["run"]) for answer in answers)
        books = [
            (seconds(a["lock"]["wait"]) + seconds(a["lock"]["hold"])) / seconds(a["usage"]["run"]) for a in answers
        ]
        worst = max(books, key=lambda share: abs(share - 1))
        share = hold / run
        report.line(f"meter: {tasks} spinning, hold summed / wall 97-100 %", f"{100 * share:.2f} %", 0.97 <= share <= 1.001)
        kept = abs(worst - 1) <= 0.02
        report.line(f"meter: {tasks} spinning, (wait + hold) / run, worst, +-2 %", f"{100 * worst:.2f} %", kept)
    answers = server.run_at_once("io", [SLEEP] * 8)
    hold = sum(seconds(answer["lock"]["hold"]) for answer in answers) / 2
    report.line("meter: 8 sleeping, hold < 2 %", f"{100 * hold:.2f} %", hold < 0.02)


def health_check(address: str):
    """Asks grpc.health.v1 for the whole server."""
    check = grpc.insecure_channel(address).unary_unary("/grpc.health.v1.Health/Check")
    return lambda: check(b"")


def wedged(server: Server, report: Report) -> None:
    """A task holds the lock in C; everything else answers."""
    holder = subprocess.Popen(
        [server.gild, "run", "--tag", "io", "--timeout", "60s", "--server", server.address, "-c", HOLD],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    while not server.slot("io-0").get("holder", {}).get("task_id"):
        time.sleep(0.05)
    calls = {
        "/metrics": lambda: server.get("/metrics"),
        "/readyz": lambda: server.get("/readyz"),
        "gild stats, the whole command": lambda: server.command("stats"),
        "a CPU task, the whole command": lambda: server.run("cpu", "print(1)"),
    }
    health = health_check(server.address)
    health()  # connects
    calls["gRPC health"] = health
    worst = dict.fromkeys(calls, 0.0)
    rounds = 0
    until = time.perf_counter() + PROBED_S
    while time.perf_counter() < until:
        rounds += 1
        for name, call in calls.items():
            begin = time.perf_counter()
            call()
            worst[name] = max(worst[name], time.perf_counter() - begin)
        time.sleep(0.1)
    for name, took in worst.items():
        report.line(f"lock held in C: {name}, worst of {rounds} in {PROBED_S} s < 100 ms", f"{1000 * took:.1f} ms", took < 0.1)
    held = server.slot("io-0")["holder"]
    report.line("lock held in C: the page shows the holder", f"held {held['held_for']}", bool(held["task_id"]))
    holder.send_signal(signal.SIGINT)
    holder.wait()
    while not any(lane["lane"] == "IO_LANE" and lane.get("serving") for lane in server.command("stats")["lanes"]):
        time.sleep(0.05)


def stops(server: Server, report: Report) -> None:
    for name, code in BLOCKING.items():
        # What starts a process runs where that is allowed.
        slot, flags = ("io-0-sub", ["--allow-subprocess"]) if "subprocess" in name else ("io-0", [])
        before = server.slot(slot)["generation"]
        answer = server.run("io", code, "--timeout", f"{int(1000 * LIMIT_S)}ms", *flags)
        late = seconds(answer["usage"]["run"]) + seconds(answer["usage"]["dispatch"]) - LIMIT_S
        kept = answer["ending"] == "TIMED_OUT" and late < 0.1 and server.slot(slot)["generation"] == before
        report.line(f"stop: {name}, within 100 ms, interpreter kept", f"{1000 * late:.1f} ms", kept)
    before = server.slot("io-0")["generation"]
    answer = server.run("io", HANG, "--timeout", f"{int(1000 * LIMIT_S)}ms")
    late = seconds(answer["usage"]["run"]) + seconds(answer["usage"]["dispatch"]) - LIMIT_S
    kept = answer["ending"] == "TIMED_OUT" and late < 2 and server.slot("io-0")["generation"] != before
    report.line("stop: a hang in C, within 2 s, costs its interpreter", f"{1000 * late:.0f} ms", kept)


def kills(server: Server, report: Report) -> None:
    for slot, tag in (("io-0", "io"), ("cpu-0", "cpu")):
        load = threading.Thread(target=server.run_at_once, args=(tag, [SLEEP] * 4))
        load.start()
        while not server.slot(slot).get("running"):
            time.sleep(0.02)
        victim = server.slot(slot)
        begin = time.perf_counter()
        os.kill(victim["pid"], signal.SIGKILL)
        while True:
            now = server.slot(slot)
            if now["state"] == "READY" and now["generation"] != victim["generation"]:
                break
        back = time.perf_counter() - begin
        load.join()
        kept = back < 1 and server.process.poll() is None
        report.line(f"kill -9 of {slot} under load: slot back within 1 s", f"{1000 * back:.0f} ms", kept)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("bin_dir", type=pathlib.Path, help="with gild, gild-server and gild-interpreter")
    server = Server(parser.parse_args().bin_dir.resolve())
    report = Report()
    try:
        for part in (meter, wedged, stops, kills):
            part(server, report)
    finally:
        server.stop()
    return 1 if report.broken else 0


if __name__ == "__main__":
    sys.exit(main())
