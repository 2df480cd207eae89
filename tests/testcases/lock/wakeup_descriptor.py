# Wants to be told of signals by descriptor, which is for the main thread to say.
#
# lanes: io
# ends: RAISED
# error: ^ValueError
import os
import signal

with open(os.eventfd(0, os.EFD_NONBLOCK), "wb", buffering=0) as events:
    signal.set_wakeup_fd(events.fileno())
