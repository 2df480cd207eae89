# Raises KeyboardInterrupt in a coroutine, which event loops let pass.
#
# entry: main
# ends: RAISED
# error: ^KeyboardInterrupt
async def main():
    raise KeyboardInterrupt
