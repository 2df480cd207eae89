# Leaves from an asyncio task beside the one that runs its code.
#
# entry: main
# ends: EXITED
# evidence: exit_code=8\b
import asyncio
import sys


async def leave():
    sys.exit(8)


async def main():
    await asyncio.gather(leave(), asyncio.sleep(1))
