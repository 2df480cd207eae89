# Makes asyncio tasks without end, and never gives any of them a turn.
#
# entry: main
# ends.cpu: MEMORY_LIMIT
# ends.io: INTERPRETER_LOST
# evidence.cpu: oom_kill
import asyncio


async def main():
    tasks = []
    while True:
        tasks.append(asyncio.create_task(asyncio.sleep(3600)))
