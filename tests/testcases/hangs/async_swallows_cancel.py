# Is a coroutine that takes its cancellation for a reason to go on.
#
# entry: main
# ends: TIMED_OUT
# wall: 300
# evidence: limit=wall
import asyncio


async def main():
    while True:
        try:
            await asyncio.sleep(3600)
        except asyncio.CancelledError:
            pass
