# Makes the random numbers that follow known to it.
#
# lanes: cpu
import random

random.seed(1)
