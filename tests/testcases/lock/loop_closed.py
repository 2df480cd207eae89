# Closes the event loop that it shares with others, while it runs.
#
# lanes: io
# entry: main
# ends: RAISED
# error: ^RuntimeError
import asyncio


async def main():
    asyncio.get_running_loop().close()
