# Stops the event loop that it shares with others.
#
# lanes: io
# entry: main
# ends: SUCCEEDED
import asyncio


async def main():
    asyncio.get_running_loop().stop()
    await asyncio.sleep(0.01)
