"""Adds the stubs of proto/gild/v1 to the package: pure Python, made by protoc.

They are there already where gild has been built (`./run`), and in every wheel.
"""

import pathlib
import subprocess
import sys

from setuptools import setup

HERE = pathlib.Path(__file__).resolve().parent


def stubs():
    if (HERE / "gild" / "v1" / "executor_pb2.py").exists():
        return
    try:
        subprocess.run([sys.executable, HERE / "make_stubs.py"], check=True)
    except (OSError, subprocess.CalledProcessError) as error:
        raise SystemExit(f"gild's stubs could not be made ({error}): build gild first (./run), or install protobuf-compiler") from error


stubs()
setup()
