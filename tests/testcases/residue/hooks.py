# Has exceptions that nobody handles vanish from now on, in threads and finalizers too.
#
# lanes: cpu
import sys
import threading

sys.excepthook = sys.unraisablehook = sys.displayhook = threading.excepthook = lambda *_: None
