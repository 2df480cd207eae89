"""Fails when an include in server/ or client/ points up or sideways, or names a library that its folder must not see.

The floors are the design's: a file may include its own folder and the folders beneath it in a stack that it is part of.
The server and the interpreter it starts share the lowest floors and nothing above them.
"""

import pathlib
import re
import tempfile
import unittest

ROOT = pathlib.Path(__file__).resolve().parent.parent

# Each stack from the ground up; folders on one line are on one floor, and may not see each other. A noun of a folder
# (`server/main/options`, its .h and .cc) may stand on a floor of its own.
STACKS = {
    "server": [
        ["server/base"],
        ["server/task"],
        ["server/metrics", "server/journal", "server/ipc", "server/sandbox"],
        ["server/process"],
        ["server/lane"],
        ["server/scheduler"],
        ["server/service"],
        ["server/main/doorbell", "server/main/options", "server/main/runtime_folder", "server/main/slot_uids"],
        ["server/main/server_main"],
    ],
    "interpreter": [
        ["server/base"],
        ["server/task"],
        ["server/ipc", "server/sandbox"],
        ["server/meter"],
        ["server/interpreter"],
        ["server/main/interpreter_main"],
    ],
    "client": [
        ["client/cpp"],
        ["client/bench"],
        ["client/cli"],
    ],
}

# Who may include what is not ours: a pattern of the include, then the folders and files.
LIBRARIES = [
    (r"Python\.h", ["server/interpreter"]),
    (r"grpc(pp)?/|.*\.grpc\.pb\.h", ["server/service", "server/main/server_main", "client"]),
    (r"gild/v1/", ["server/service", "client"]),
    (r"gild/internal/", ["server/ipc", "server/process", "server/lane", "server/interpreter"]),
    (r"spdlog/", ["server/base/log.cc"]),
    (r"prometheus/", ["server/metrics"]),
]

INCLUDE = re.compile(r'^\s*#\s*include\s*([<"])([^>"]+)[>"]', re.MULTILINE)


def places() -> list[str]:
    """Every folder or file that stands on a floor."""
    return [place for stack in STACKS.values() for floor in stack for place in floor]


def is_in(path: str, place: str) -> bool:
    return path == place or path.startswith((place + "/", place + "."))


def place_of(path: str) -> str | None:
    return next((place for place in places() if is_in(path, place)), None)


def beneath(place: str) -> set[str]:
    """The places that `place` may include."""
    below: set[str] = set()
    for stack in STACKS.values():
        for height, floor in enumerate(stack):
            if place in floor:
                below.update(lower for under in stack[:height] for lower in under)
    return below


def faults_of_include(path: str, quote: str, included: str, root: pathlib.Path) -> list[str]:
    """What is wrong when the file `path` (in a known place) includes `included`: nothing, or one line for each fault."""
    faults = []
    place = place_of(path)
    if included.startswith(("server/", "client/")):
        target = place_of(included)
        if target is None:
            faults.append(f"{path} includes {included}, which stands on no floor")
        elif target != place and target not in beneath(place):
            direction = "up" if place in beneath(target) else "sideways"
            faults.append(f"{path} includes {included}, which points {direction}")
    elif included.startswith("tests/"):
        faults.append(f"{path} includes {included}: the tests are above everything")
    elif quote == '"' and (root / path).parent.joinpath(included).exists():
        faults.append(f"{path} includes {included}: write it from the top of the checkout")
    for pattern, allowed in LIBRARIES:
        if re.match(pattern, included) and not any(is_in(path, folder) for folder in allowed):
            faults.append(f"{path} includes {included}, which only {', '.join(allowed)} may see")
    return faults


def faults(root: pathlib.Path) -> list[str]:
    found = []
    for file in sorted(root.glob("server/**/*")) + sorted(root.glob("client/**/*")):
        if file.suffix not in (".cc", ".h"):
            continue
        path = file.relative_to(root).as_posix()
        if place_of(path) is None:
            found.append(f"{path} stands on no floor: give its folder one in {pathlib.Path(__file__).name}")
            continue
        for quote, included in INCLUDE.findall(file.read_text(encoding="utf-8")):
            found.extend(faults_of_include(path, quote, included, root))
    return found


class FloorsTest(unittest.TestCase):
    def test_every_include_points_down(self):
        self.assertTrue(list(ROOT.glob("server/base/*.h")), "no sources found: the test would see nothing")
        found = faults(ROOT)
        self.assertFalse(found, "\n" + "\n".join(found))


class FaultsTest(unittest.TestCase):
    """The test above proves itself on made-up trees."""

    def faults_in(self, path: str, text: str) -> list[str]:
        with tempfile.TemporaryDirectory() as folder:
            root = pathlib.Path(folder)
            file = root / path
            file.parent.mkdir(parents=True)
            file.write_text(text, encoding="utf-8")
            (file.parent / "neighbour.h").touch()
            return [fault for fault in faults(root) if "neighbour.h stands" not in fault]

    def assert_fault(self, path: str, included: str, wanted: str):
        found = self.faults_in(path, f"#include {included}\n")
        self.assertEqual(len(found), 1, found)
        self.assertIn(wanted, found[0])

    def test_down_and_within_are_fine(self):
        for path, included in [
            ("server/lane/lane.h", "server/process/zygote.h"),
            ("server/lane/lane.cc", "server/lane/lane.h"),
            ("server/task/task.h", "server/base/clock.h"),
            ("server/interpreter/runner.cc", "server/ipc/page.h"),
            ("server/main/server_main.cc", "server/service/server.h"),
            ("server/main/server_main.cc", "server/main/options.h"),
            ("server/main/interpreter_main.cc", "server/interpreter/zygote.h"),
            ("client/cli/run.cc", "client/cpp/client.h"),
        ]:
            self.assertEqual(self.faults_in(path, f'#include "{included}"\n'), [], path)

    def test_up_is_reported(self):
        self.assert_fault("server/base/clock.h", '"server/task/task.h"', "points up")
        self.assert_fault("server/process/zygote.h", '"server/lane/lane.h"', "points up")
        self.assert_fault("server/ipc/frame.cc", '"server/interpreter/runner.h"', "points up")
        self.assert_fault("client/cpp/client.cc", '"client/cli/table.h"', "points up")

    def test_sideways_is_reported(self):
        self.assert_fault("server/ipc/frame.cc", '"server/sandbox/policy.h"', "points sideways")
        self.assert_fault("server/metrics/metrics.cc", '"server/ipc/page.h"', "points sideways")

    def test_the_other_process_is_sideways(self):
        self.assert_fault("server/interpreter/runner.cc", '"server/lane/lane.h"', "points sideways")
        self.assert_fault("server/interpreter/runner.cc", '"server/metrics/metrics.h"', "points sideways")
        self.assert_fault("server/main/server_main.cc", '"server/interpreter/runner.h"', "points sideways")
        self.assert_fault("server/main/interpreter_main.cc", '"server/process/zygote.h"', "points sideways")
        self.assert_fault("client/cpp/client.cc", '"server/task/task.h"', "points sideways")

    def test_a_library_in_the_wrong_folder_is_reported(self):
        self.assert_fault("server/lane/lane.cc", "<Python.h>", "only server/interpreter may see")
        self.assert_fault("server/scheduler/scheduler.cc", "<grpcpp/grpcpp.h>", "may see")
        self.assert_fault("server/base/errors.cc", '"spdlog/spdlog.h"', "only server/base/log.cc may see")

    def test_a_folder_without_a_floor_is_reported(self):
        self.assertIn("stands on no floor", self.faults_in("server/misc/misc.cc", "")[0])
        self.assert_fault("server/base/clock.h", '"server/misc/misc.h"', "stands on no floor")

    def test_an_include_from_beside_is_reported(self):
        self.assert_fault("server/base/clock.cc", '"neighbour.h"', "write it from the top")

    def test_spacing_hides_nothing(self):
        self.assertEqual(len(self.faults_in("server/base/a.h", '  #  include  "server/task/task.h"  // why')), 1)


if __name__ == "__main__":
    unittest.main()
