# Has a thread of C code's end the process in a second, whatever it is at then.
#
# lanes: cpu
# warns: outlived the task
import faulthandler

faulthandler.dump_traceback_later(1, exit=True, file=2)
