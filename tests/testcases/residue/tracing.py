# Leaves a tracer and a profiler in its thread.
import sys

sys.settrace(lambda *_: None)
sys.setprofile(lambda *_: None)
