# Lowers for good how many descriptors its process may have.
#
# lanes: cpu
import resource

resource.setrlimit(resource.RLIMIT_NOFILE, (16, 16))
