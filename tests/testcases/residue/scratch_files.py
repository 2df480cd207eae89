# Leaves files, folders and links in its scratch, some of them hidden, some with names that are no text.
#
# lanes: cpu
import os

os.makedirs("folder/within/another")
for name in (b"file", b".hidden", b"folder/file", b"folder/within/another/file", b"\xff\n", b"task-1"):
    with open(name, "w") as file:
        file.write("left behind")
os.symlink("/", "link to the root")
os.symlink("nowhere", "link to nowhere")
os.link("file", "second name")
