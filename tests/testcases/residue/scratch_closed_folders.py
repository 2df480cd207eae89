# Leaves folders in its scratch that nobody may enter or list, with files in them.
#
# lanes: cpu
import os

os.makedirs("closed/deep")
for folder in ("closed/deep", "closed"):
    with open(f"{folder}/file", "w") as file:
        file.write("left behind")
    os.chmod(f"{folder}/file", 0)
    os.chmod(folder, 0)
