# Leaves an alarm that goes off in a second and that nobody handles.
#
# lanes: cpu
import signal

signal.alarm(1)
