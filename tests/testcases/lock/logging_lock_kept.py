# Takes the lock of the module that logs, and ends with it.
#
# lanes: io
# ends: SUCCEEDED
import logging

logging._lock.acquire()
