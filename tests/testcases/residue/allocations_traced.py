# Has every allocation of memory traced from now on.
#
# lanes: cpu
import tracemalloc

tracemalloc.start(1)
