# Raises StopIteration in a coroutine, which Python does not allow.
#
# entry: main
# ends: RAISED
# error: ^RuntimeError
async def main():
    raise StopIteration
