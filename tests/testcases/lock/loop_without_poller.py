# Takes from the event loop that it shares with others what it waits with.
#
# lanes: io
# entry: main
# ends: INTERPRETER_LOST RAISED TIMED_OUT
# wall: 2000
import asyncio


async def main():
    asyncio.get_running_loop()._selector.close()
    await asyncio.sleep(0.01)
