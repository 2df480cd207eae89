# Takes the lock under which modules are imported, and ends with it.
#
# lanes: io
# ends: SUCCEEDED
import _imp

_imp.acquire_lock()
