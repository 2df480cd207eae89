# Fills a dictionary until the task's own limit on memory is met.
#
# lanes: cpu
# ends: MEMORY_LIMIT
# memory: 64
# evidence: limit=memory
import itertools

table = {}
for number in itertools.count():
    table[number] = str(number)
