# Takes the standard streams apart, sets them up anew, and gives itself input.
import io
import sys

sys.stdout.detach()
sys.stderr.reconfigure(encoding="utf-16", errors="strict")
sys.stdin.detach()
sys.stdin = io.StringIO("left")
