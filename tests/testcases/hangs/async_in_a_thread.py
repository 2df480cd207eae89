# Is a coroutine that waits for a thread of the event loop's pool, which sleeps.
#
# entry: main
# ends: TIMED_OUT
# wall: 300
# evidence: limit=wall
import asyncio
import time


async def main():
    await asyncio.to_thread(time.sleep, 3600)
