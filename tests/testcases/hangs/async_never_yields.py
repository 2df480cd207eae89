# Is a coroutine that never gives its event loop back.
#
# entry: main
# ends: TIMED_OUT
# wall: 300
# evidence: limit=wall
async def main():
    while True:
        pass
