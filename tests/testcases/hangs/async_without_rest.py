# Is a coroutine that gives its event loop back all the time, and is ready again at once.
#
# entry: main
# ends: TIMED_OUT
# wall: 300
# evidence: limit=wall
import asyncio


async def main():
    while True:
        await asyncio.sleep(0)
