# Breaks the module that formats exceptions, and raises one.
#
# ends: RAISED
# error: ^ValueError: broken
import traceback

traceback.format_exception = traceback.TracebackException = None
raise ValueError("broken")
