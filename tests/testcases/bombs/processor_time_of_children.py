# Has children that compute for ever, while it waits itself.
#
# lanes: cpu
# subprocess: yes
# ends: CPU_LIMIT
# evidence: limit=cpu allowed=200000000\b
# cpu: 200
import os

for _ in range(2):
    if os.fork() == 0:
        while True:
            pass
while True:
    os.wait()
