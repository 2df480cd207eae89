# Leaves its thread bound to one core.
#
# lanes: io
import os

os.sched_setaffinity(0, {max(os.sched_getaffinity(0))})
