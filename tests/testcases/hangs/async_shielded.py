# Is a coroutine whose work is shielded from its cancellation, and that waits for it all the same.
#
# entry: main
# ends: TIMED_OUT
# wall: 300
# evidence: limit=wall
import asyncio


async def main():
    work = asyncio.ensure_future(asyncio.sleep(3600))
    while not work.done():
        try:
            await asyncio.shield(work)
        except asyncio.CancelledError:
            await asyncio.sleep(0)
