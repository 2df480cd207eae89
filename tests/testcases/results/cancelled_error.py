# Raises, in a coroutine that nobody cancels, what tells that it was cancelled.
#
# entry: main
# ends: RAISED
# error: CancelledError
import asyncio


async def main():
    raise asyncio.CancelledError
