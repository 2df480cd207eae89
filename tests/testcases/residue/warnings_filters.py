# Turns every warning into an exception.
#
# lanes: cpu
import warnings

warnings.simplefilter("error")
