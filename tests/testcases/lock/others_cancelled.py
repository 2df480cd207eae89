# Cancels every other task of the event loop that it shares with others.
#
# lanes: io
# entry: main
# ends: SUCCEEDED
import asyncio


async def main():
    for task in asyncio.all_tasks() - {asyncio.current_task()}:
        task.cancel()
