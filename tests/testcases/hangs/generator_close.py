# Closes a generator that will not be closed.
#
# ends: TIMED_OUT
# wall: 300
# evidence: limit=wall
def endless():
    try:
        yield
    finally:
        while True:
            pass


generator = endless()
next(generator)
generator.close()
