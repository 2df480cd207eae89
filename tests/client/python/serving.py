"""A server for tests of the Python client: started here, ended here."""

import concurrent.futures
import os
import pathlib
import subprocess
import sys
import time

ROOT = pathlib.Path(__file__).resolve().parents[3]
BIN = pathlib.Path(os.environ.get("GILD_BIN", ROOT / "build" / "test" / "bin"))

sys.path.insert(0, os.environ.get("GILD_PYTHON_CLIENT", str(ROOT / "client" / "python")))


def in_another_thread(call, *args):
    """What it returns."""
    with concurrent.futures.ThreadPoolExecutor(1) as thread:
        return thread.submit(call, *args).result()


def wait_until(is_so):
    """For what nobody announces."""
    while not is_so():
        time.sleep(0.001)


class Server:
    """On a port of its own choice, or one that it had before."""

    def __init__(self, *options, listen="127.0.0.1:0"):
        command = [BIN / "gild-server", "--listen", listen, "--http-listen", "127.0.0.1:0", *options]
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
        ready = self.process.stdout.readline()  # "gild-server listening on 127.0.0.1:50051, …"
        if not ready.startswith("gild-server listening on "):
            raise RuntimeError(f"the server did not start: {ready!r}")
        self.target = ready.split()[3].rstrip(",")

    def kill(self):
        self._end(self.process.kill)

    def stop(self):
        self._end(self.process.terminate)

    def _end(self, how):
        how()
        self.process.wait()
        self.process.stdout.close()
