# Lowers for good how much memory its process may map, and how large its stack may be.
#
# lanes: cpu
import resource

resource.setrlimit(resource.RLIMIT_AS, (1 << 46, 1 << 46))  # more than it will ever want
resource.setrlimit(resource.RLIMIT_STACK, (1 << 20, 1 << 20))
