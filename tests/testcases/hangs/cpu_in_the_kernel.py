# Has the kernel compute for it: it makes one system call after the other.
#
# lanes: cpu
# ends: CPU_LIMIT
# cpu: 200
# evidence: limit=cpu
import os

while True:
    os.stat("/")
