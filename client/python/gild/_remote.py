"""What runs on the server beside the user's functions: sent by value, as this package is not there."""


def call(function, /, *args, **kwargs):
    """Of a callable that is not worth keeping on the server: it came with the arguments."""
    return function(*args, **kwargs)


def call_each(function, columns, enough_s, enough_bytes):
    """function(*arguments) for the arguments of each call, which are given by column, in order, until it has taken `enough_s`, or what they
    returned is about `enough_bytes` in pickles. (None: however much.)

    (results, None); they may be fewer than the calls. Where one raises: the results before it, and (pickle or None, type, message, traceback) of the exception.
    Of the first coroutine that one returns: a coroutine that awaits it, makes and awaits the others one after another, and returns the same.
    """
    from time import monotonic
    from types import CoroutineType

    results = []
    longest = 0.0
    calls = zip(*columns)
    now = monotonic()
    until = now + enough_s
    try:
        for arguments in calls:
            result = function(*arguments)
            if type(result) is CoroutineType:
                return await_each(function, result, calls, results, until)
            results.append(result)
            begun, now = now, monotonic()
            took = now - begun
            # What takes no time is small. Of what takes some each eighth is looked at, and what takes longer than all before; it stands for eight.
            if took > 20e-6 and enough_bytes is not None and (took > 2 * longest or len(results) % 8 == 1):
                longest = max(longest, took)
                enough_bytes -= 8 * pickled_size(result)
                if enough_bytes < 0:
                    break
                now = monotonic()
            if now > until:
                break
    except Exception as error:
        return results, told(error, results)
    return results, None


async def await_each(function, coroutine, calls, results, until):
    from time import monotonic
    from types import CoroutineType

    try:
        results.append(await coroutine)
        for arguments in calls:
            result = function(*arguments)
            results.append(await result if type(result) is CoroutineType else result)
            if monotonic() > until:
                break
    except Exception as error:
        return results, told(error, results)
    return results, None


def pickled_size(value):
    """0: it cannot be pickled so, which is for whoever sends it to say."""
    import pickle

    try:
        return len(pickle.dumps(value, protocol=5))
    except Exception:
        return 0


def told(error, results):
    """Raises it where there are no results: then it is the task's own, as of any task."""
    if not results:
        raise error
    import pickle
    import traceback

    try:
        pickled = pickle.dumps(error, protocol=5)
    except Exception:
        try:
            import cloudpickle

            pickled = cloudpickle.dumps(error, protocol=5)
        except Exception:
            pickled = None
    kind = type(error)
    name = kind.__qualname__ if kind.__module__ in ("builtins", "__main__") else f"{kind.__module__}.{kind.__qualname__}"
    frames = error.__traceback__.tb_next  # without ours
    return pickled, name, str(error), "".join(traceback.format_exception(kind, error, frames))


# The server shows no frames of this file in tracebacks.
for _function in (call, call_each, await_each, told):
    _function.__code__ = _function.__code__.replace(co_filename="<gild>")
