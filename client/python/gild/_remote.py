"""What runs on the server beside the user's functions: sent by value, as this package is not there."""


def call(function, /, *args, **kwargs):
    """Of a callable that is not worth keeping on the server: it came with the arguments."""
    return function(*args, **kwargs)


def cached(function, parameters):
    """As functools.lru_cache made it; its cache is empty."""
    import functools

    return functools.lru_cache(**parameters)(function)


def call_each(function, columns, enough_s, enough_bytes):
    """function(*arguments) for the arguments of each call, which are given by column, in order, until it has taken `enough_s`, or what they
    returned is `enough_bytes` (None: however much). Coroutines are awaited, one after another, by a coroutine that this returns then.

    ((results, apart), raised, came_to). Of those results whose index is in `apart` there is the pickle: of all but numbers and short texts, so that
    each is an object of its own, and its size known. `raised`: None, or (pickle or None, type, message, traceback) of the exception that ended
    it. `came_to`: so many of the calls have been made, or are not to be; four bytes, little-endian.
    """
    steps = each_step(function, columns, enough_s, enough_bytes)
    try:
        coroutine = next(steps)
    except StopIteration as end:
        return end.value
    return await_each(steps, coroutine)


def each_step(function, columns, enough_s, enough_bytes):
    """Gives coroutines, and is sent what they return."""
    from time import monotonic
    from types import CoroutineType

    small = {float, bool, type(None)}
    results, apart = [], []
    append = results.append
    came_to = len(columns[0])
    until = monotonic() + enough_s
    try:
        for arguments in zip(*columns):
            result = function(*arguments)
            kind = type(result)
            if kind is CoroutineType:
                result = yield result
                kind = type(result)
            if kind in small or kind is int and -(2**63) <= result < 2**63 or (kind is str or kind is bytes) and len(result) < 100:
                append(result)
            else:
                data = pickled_result(result)
                apart.append(len(results))
                append(data)
                if enough_bytes is not None:
                    enough_bytes -= len(data)
                    if enough_bytes < 0:
                        until = 0.0
            if monotonic() > until:
                came_to = len(results)
                break
    except Exception as error:
        return (results, apart), told(error), came_to.to_bytes(4, "little")
    return (results, apart), None, came_to.to_bytes(4, "little")


async def await_each(steps, coroutine):
    while True:
        try:
            result = await coroutine
        except Exception as error:
            go_on, result = steps.throw, error
        else:
            go_on = steps.send
        try:
            coroutine = go_on(result)
        except StopIteration as end:
            return end.value


def pickled_result(result):
    """As the server does it, and says it where it cannot."""
    import pickle

    try:
        return pickled(result)
    except (pickle.PicklingError, AttributeError, TypeError) as error:
        error.args = (f"what the task returned cannot be pickled: {error}",)
        raise


def pickled(value):
    import pickle

    try:
        return pickle.dumps(value, protocol=5)
    except (pickle.PicklingError, AttributeError, TypeError):
        import cloudpickle

        return cloudpickle.dumps(value, protocol=5)


def told(error):
    import traceback

    try:
        data = pickled(error)
    except Exception:
        data = None
    try:
        message = str(error)
    except Exception:
        message = "<exception str() failed>"
    kind = type(error)
    name = kind.__qualname__ if kind.__module__ in ("builtins", "__main__") else f"{kind.__module__}.{kind.__qualname__}"
    frames = error.__traceback__
    while frames and frames.tb_frame.f_code.co_filename == "<gild>":  # ours
        frames = frames.tb_next
    return data, name, message, "".join(traceback.format_exception(kind, error, frames))


# The server shows no frames of this file in tracebacks.
for _function in (call, call_each, each_step, await_each, pickled_result, pickled):
    _function.__code__ = _function.__code__.replace(co_filename="<gild>")
