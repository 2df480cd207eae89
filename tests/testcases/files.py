"""Tasks with a folder of their own: what they find there, and what they leave."""

import asyncio
import os
import pathlib
import socket
import subprocess
import sys
import threading


def write(path, text):
    if os.path.dirname(path):
        os.makedirs(os.path.dirname(path), exist_ok=True)
    with open(path, "w") as file:
        file.write(text)


def read(path):
    with open(path) as file:
        return file.read()


def look_around():
    """Everything that knows a working directory, and whether it is this task's."""
    here = os.getcwd()
    seen = []
    thread = threading.Thread(target=lambda: seen.append((os.getcwd(), read("in/a"))))
    thread.start()
    thread.join()
    child = subprocess.run([sys.executable or "python3", "-c", "import os; print(os.getcwd())"], capture_output=True, text=True)
    shell = subprocess.run("cat in/a", shell=True, capture_output=True, text=True)
    os.chdir("in")
    return {
        "placed": read("a"),
        "listed": sorted(os.listdir("..")),
        "here": os.path.basename(here).startswith("task-"),
        "mode": oct(os.stat(here).st_mode & 0o777),
        "thread": seen[0] == (here, "first"),
        "path": str(pathlib.Path(here).resolve()) == here,
        "child": child.stdout.strip() == here,
        "shell": shell.stdout == "first",
        "changed": os.getcwd() == here + "/in",
    }


def leave(paths):
    for path in paths:
        write(path, "content of " + path)
    print(os.getcwd())


def leave_and_raise(path):
    write(path, "x")
    raise ValueError("after all")


def leave_and_exit(path, code):
    write(path, "x")
    raise SystemExit(code)


def leave_bytes(path, count):
    with open(path, "wb") as file:
        file.truncate(count)


def read_when_let_in(path, port):
    before = read(path)
    with socket.create_connection(("127.0.0.1", port)) as door:
        door.recv(1)
    return [before, read(path), os.getcwd()]


def leave_and_wait(path, port):
    """Waits for ever."""
    write(path, "x")
    print(os.getcwd(), flush=True)
    with socket.create_connection(("127.0.0.1", port)) as door:
        door.recv(1)


def here():
    return os.getcwd()


def here_twice(port):
    before = os.getcwd()
    with socket.create_connection(("127.0.0.1", port)) as door:
        door.recv(1)
    return [before, os.getcwd()]


async def async_read(path):
    try:
        before = read(path)
        await asyncio.sleep(0.01)
        return [before, read(path)]
    except FileNotFoundError:
        return None


def fork_to_the_end():
    child = os.fork()
    if child == 0:
        return None
    os.waitpid(child, 0)
    return os.path.exists("in/a")


def make_a_mess():
    os.symlink("/etc", "etc")
    os.mkfifo("fifo")
    os.makedirs("closed/deep")
    os.chmod("closed/deep", 0)
    os.chmod("closed", 0)
    with open(b"\xff.png", "w"):
        pass
    return os.getcwd()


def remove_it():
    os.rmdir(os.getcwd())
