"""Tasks that start processes, with and without manners."""

import os
import subprocess
import sys
import threading


def child_falls_through():
    """Both parent and child reach the end of the task. Only the parent is the task."""
    child = os.fork()
    if child == 0:
        print("child")
        return "child"
    os.waitpid(child, 0)
    print("parent")
    return "parent"


def child_raises():
    child = os.fork()
    if child == 0:
        raise RuntimeError("the child's own")
    os.waitpid(child, 0)
    return "parent"


def child_calls_exit():
    child = os.fork()
    if child == 0:
        sys.exit(5)
    _, status = os.waitpid(child, 0)
    return os.waitstatus_to_exitcode(status)


def fork_in_a_thread():
    answers = []
    thread = threading.Thread(target=lambda: answers.append(child_falls_through()))
    thread.start()
    thread.join()
    return answers


def output_of_a_command():
    return subprocess.run(["echo", "hello"], capture_output=True, text=True, check=True).stdout


def leave_a_process():
    """Ends while a process of its own still runs."""
    return subprocess.Popen(["sleep", "3600"]).pid
