# Has the program unshare make it root of a user namespace.
#
# subprocess: yes
# refused: unshare
import subprocess

done = subprocess.run(["unshare", "--map-root-user", "id", "-u"], capture_output=True, text=True, timeout=5)
assert done.returncode != 0 and done.stdout == "", (done.stdout, done.stderr)
