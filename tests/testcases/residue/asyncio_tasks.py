# Leaves tasks of asyncio's and a timer that have long to go when its own coroutine is over.
#
# entry: leave
import asyncio


async def leave():
    for _ in range(10):
        asyncio.create_task(asyncio.sleep(600))
    asyncio.get_running_loop().call_later(600, print, "left behind")
    await asyncio.sleep(0)
