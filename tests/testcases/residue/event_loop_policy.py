# Leaves another policy for event loops, and a loop that is closed.
#
# lanes: cpu
import asyncio


class Policy(asyncio.DefaultEventLoopPolicy):
    pass


asyncio.set_event_loop_policy(Policy())
loop = asyncio.new_event_loop()
asyncio.set_event_loop(loop)
loop.close()
