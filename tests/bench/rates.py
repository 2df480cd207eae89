"""What is left of gRPC's own rate when tasks run behind it: gild-server and a raw gRPC echo, the same client, in turns.

    rates.py BIN_DIR [--turns 7] [--seconds 2] [--lanes io,cpu]

BIN_DIR holds gild-server, echo_server and rates: build/test/bin, after ./test. Prints, for each lane, the median of gild's rate, of the
echo's in the same turns, and of their ratio; for the I/O lane also whether that is as promised, and exits 1 when it is not. Standard
library only.
"""

import argparse
import json
import pathlib
import statistics
import subprocess
import sys

from lessons import running, server

PROMISED = {("io", "unary"): 0.6, ("io", "stream"): 0.8, ("io", "batched"): 0.25}  # at least so much of the echo's rate


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("bin_dir", type=pathlib.Path, help="where gild-server, echo_server and rates are")
    parser.add_argument("--turns", type=int, default=7, help="turns of each measurement (7)")
    parser.add_argument("--lanes", default="io,cpu", help="which lanes (io,cpu)")
    parser.add_argument("--seconds", type=float, default=2, help="of each measurement (2)")
    options = parser.parse_args()
    bin_dir = options.bin_dir.resolve()
    all_kept = True
    echo_command = [bin_dir / "echo_server"]
    with server(bin_dir) as gild, running(echo_command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as echo:
        echo_address = echo.stdout.readline().strip()

        def rates(address: str, lane: str) -> dict:
            command = [bin_dir / "rates", address, lane, str(options.seconds)]
            return json.loads(subprocess.run(command, capture_output=True, text=True, check=True).stdout)

        print(f"{'LANE':<5} {'KIND':<7} {'GILD/s':>8} {'ECHO/s':>8} {'RATIO':>6}   lowest to highest ratio")
        for lane in options.lanes.split(","):
            turns = [(rates(gild, lane), rates(echo_address, lane)) for _ in range(options.turns)]
            for kind in ("unary", "stream", "batched"):
                ratios = [ours[kind] / its[kind] for ours, its in turns]
                ours = statistics.median(ours[kind] for ours, _ in turns)
                its = statistics.median(its[kind] for _, its in turns)
                ratio, promised = statistics.median(ratios), PROMISED.get((lane, kind))
                verdict = ""
                if promised is not None:
                    all_kept = all_kept and ratio >= promised
                    verdict = f", promised {promised}: {'kept' if ratio >= promised else 'NOT KEPT'}"
                print(
                    f"{lane:<5} {kind:<7} {ours:8.0f} {its:8.0f} {ratio:6.3f}   "
                    f"{min(ratios):.3f} to {max(ratios):.3f}{verdict}"
                )
    sys.exit(0 if all_kept else 1)


if __name__ == "__main__":
    main()
