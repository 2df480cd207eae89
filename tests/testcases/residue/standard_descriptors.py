# Leaves other things under the numbers of the standard streams, and no more descriptors than there were.
#
# lanes: cpu
import os

reading, writing = os.pipe()
for number in (0, 1, 2):
    os.dup2(writing, number)
os.close(reading)
os.close(writing)
