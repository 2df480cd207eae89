# Looks for other users of the machine: in the list of them, and among its own groups.
import os

with open("/etc/passwd") as file:
    users = [line.split(":")[:3] for line in file]
assert users == [["task", "x", "1000"]], users
with open("/etc/group") as file:
    groups = [line.split(":")[:3] for line in file]
assert groups == [["task", "x", "1000"]], groups
assert 0 not in os.getgroups(), os.getgroups()
