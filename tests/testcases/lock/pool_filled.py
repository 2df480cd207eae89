# Has every thread of the event loop's pool sleep.
#
# lanes: io
# entry: main
# ends: TIMED_OUT
# wall: 300
# evidence: limit=wall
import asyncio
import time


async def main():
    await asyncio.gather(*[asyncio.to_thread(time.sleep, 3600) for _ in range(1000)])
