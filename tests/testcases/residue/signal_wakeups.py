# Has every signal written into a pipe that nobody reads.
#
# lanes: cpu
import os
import signal

reading, writing = os.pipe()
os.set_blocking(writing, False)
signal.set_wakeup_fd(writing, warn_on_full_buffer=False)
