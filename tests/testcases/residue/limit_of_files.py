# Lowers for good how large a file its process may write: to nothing.
#
# lanes: cpu
import resource

resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))
