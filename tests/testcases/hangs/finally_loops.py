# Cleans up after itself for ever, and cleans up after that as well.
#
# ends: TIMED_OUT
# wall: 300
# evidence: limit=wall
import time


def clean_up(depth):
    try:
        time.sleep(3600)
    finally:
        clean_up(depth + 1)


clean_up(0)
