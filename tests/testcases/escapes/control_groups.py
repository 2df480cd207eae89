# Looks for the control groups that bound it: their files, and where they lie on the machine.
import os

assert not os.path.lexists("/sys"), "/sys is there"
with open("/proc/self/cgroup") as file:
    groups = file.read().splitlines()
for group in groups:
    assert group.split(":", 2)[2] == "/", group
