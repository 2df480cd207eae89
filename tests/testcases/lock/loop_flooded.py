# Gives the event loop that it shares with others a hundred thousand things to do at once.
#
# lanes: io
# entry: main
# ends: SUCCEEDED
import asyncio


async def main():
    loop = asyncio.get_running_loop()
    for _ in range(100_000):
        loop.call_soon(int)
    await asyncio.sleep(0)
