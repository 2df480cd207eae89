# Takes the standard streams apart, sets them up anew, and gives itself input.
#
# prints: held
import io
import sys

sys.stdout = io.TextIOWrapper(sys.stdout.detach(), encoding="utf-8")  # which writes what it holds later
print("held")
sys.stderr.reconfigure(encoding="utf-16", errors="strict")
sys.stdin.detach()
sys.stdin = io.StringIO("left")
