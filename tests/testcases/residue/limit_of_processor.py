# Lowers for good how much of the processor its process may use: to two seconds more.
#
# lanes: cpu
import resource
import time

soon = int(time.process_time()) + 2
resource.setrlimit(resource.RLIMIT_CPU, (soon, soon + 1))
