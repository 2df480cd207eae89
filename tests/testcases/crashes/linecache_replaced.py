# Puts a number in the place of the cache of source lines, and raises an exception.
#
# ends: RAISED
# error: ^ValueError
import linecache

linecache.cache = 1
raise ValueError("broken")
