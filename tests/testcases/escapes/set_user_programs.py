# Runs programs of the machine that make whoever runs them root.
#
# subprocess: yes
import os
import shutil
import stat
import subprocess

assert os.statvfs("/usr/bin").f_flag & os.ST_NOSUID, "/usr/bin honours set-user-ID bits"
programs = [entry.name for entry in os.scandir("/usr/bin") if entry.stat(follow_symlinks=False).st_mode & stat.S_ISUID]
print("with the bit:", *programs)
if shutil.which("su"):
    done = subprocess.run(["su", "-c", "id -u"], stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=8)
    assert done.returncode != 0 and done.stdout == "", (done.stdout, done.stderr)
