"""Good citizens: entries that show what a body can do."""

import asyncio
import json


def add(one, other):
    return {"sum": one + other}


def reverse(data):
    """bytes -> bytes"""
    assert isinstance(data, bytes), type(data)
    return data[::-1]


def kinds(*arguments):
    return [type(argument).__name__ for argument in arguments]


class Model:
    @staticmethod
    def predict(x):
        return 2 * x


def nothing():
    pass


def unserialisable():
    return object()


def fail(message):
    raise ValueError(message)


class OddError(Exception):
    def __str__(self):
        raise RuntimeError("no text either")


def fail_oddly():
    raise OddError


def fail_deeply(depth):
    if depth == 0:
        raise ValueError("x" * 100_000)
    fail_deeply(depth - 1)


def on_an_event_loop():
    async def both():
        return await asyncio.gather(asyncio.sleep(0.01, "one"), asyncio.sleep(0.01, "other"))

    return asyncio.run(both())


def pretty(value):
    return json.dumps(value, sort_keys=True)
