"""`pip install ./client/python` into a virtual environment: pure Python, with its stubs, and no compiler is needed."""

import os
import pathlib
import shutil
import subprocess
import sys
import tempfile
import unittest
import zipfile

import serving

CLIENT = serving.ROOT / "client" / "python"
PIP = (sys.executable, "-m", "pip", "--disable-pip-version-check", "--quiet")
# What it needs is installed, and nothing is asked of the network.
OFFLINE = ("--no-index", "--no-deps", "--no-build-isolation")


class InstallTest(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = pathlib.Path(folder.name)
        # pip builds in the folder that it is given.
        self.client = self.folder / "client" / "python"
        shutil.copytree(CLIENT, self.client, ignore=shutil.ignore_patterns("build", "*.egg-info", "__pycache__"))

    def run_command(self, *command, **environment):
        ended = subprocess.run(
            command, cwd=self.folder, env={**os.environ, **environment}, capture_output=True, text=True, timeout=120, check=False
        )
        self.assertEqual(ended.returncode, 0, ended.stdout + ended.stderr)
        return ended.stdout

    def test_it_runs_tasks_from_a_virtual_environment(self):
        server = serving.Server()
        self.addCleanup(server.stop)
        self.run_command("/usr/bin/python3", "-m", "venv", "--system-site-packages", "--without-pip", "environment")
        python = str(self.folder / "environment" / "bin" / "python")
        # No protoc is there: only Python is on the path.
        self.run_command(*PIP, "--python", python, "install", *OFFLINE, str(self.client), PATH=str(pathlib.Path(python).parent))
        program = "import gild; print(gild.__file__, gild.Executor().submit(lambda x: x + 1, 2).result())"
        where, result = self.run_command(python, "-c", program, GILD_SERVER=server.target).split()
        self.assertTrue(where.startswith(str(self.folder / "environment")), where)
        self.assertEqual(result, "3")

    def test_a_wheel_of_a_fresh_checkout_has_its_stubs(self):
        shutil.copytree(serving.ROOT / "proto", self.folder / "proto")
        for made in ("v1", "rpc"):
            shutil.rmtree(self.client / "gild" / made)
        self.run_command(*PIP, "wheel", *OFFLINE, "--wheel-dir", "wheels", str(self.client))
        (wheel,) = (self.folder / "wheels").iterdir()
        self.assertTrue(wheel.name.endswith("-py3-none-any.whl"), wheel.name)
        names = set(zipfile.ZipFile(wheel).namelist())
        self.assertLessEqual({"gild/__init__.py", "gild/aio.py", "gild/v1/executor_pb2.py", "gild/rpc/error_details_pb2.py"}, names)


if __name__ == "__main__":
    unittest.main()
