# Is a coroutine that sleeps for a while without giving its event loop back.
#
# lanes: io
# entry: main
# ends: SUCCEEDED
import time


async def main():
    time.sleep(0.3)
