# Changes its process by writing to its files in /proc: its score for the kernel's killer, its users, its memory.
import errno
import os

NAMES = (
    "oom_score_adj oom_adj uid_map gid_map projid_map setgroups clear_refs timens_offsets comm coredump_filter autogroup "
    "sched timerslack_ns loginuid attr/current attr/exec make-it-fail fail-nth mem"
)


def meets(path):
    try:
        os.close(os.open(path, os.O_WRONLY))
    except OSError as error:
        return error.errno


for name in NAMES.split():
    assert meets(f"/proc/self/{name}") in (errno.EACCES, errno.ENOENT), f"{name} was opened to write"
with open("/proc/self/oom_score_adj") as score:
    assert int(score.read()) == 1000, "the kernel does not take it first"
