"""What runs on the server beside the user's functions: sent by value, as this package is not there."""


def call(function, /, *args, **kwargs):
    """Of a callable that is not worth keeping on the server: it came with the arguments."""
    return function(*args, **kwargs)


def call_each(function, columns, enough_s):
    """function(*arguments) for the arguments of each call, which are given by column, in order, until it has taken `enough_s`.

    (results, None); they may be fewer than the calls. Where one raises: the results before it, and (pickle or None, type, message, traceback) of the exception.
    """
    import time

    results = []
    until = time.monotonic() + enough_s
    try:
        for arguments in zip(*columns):
            results.append(function(*arguments))
            if time.monotonic() > until:
                break
    except Exception as error:
        if not results:
            raise  # as any task does
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
        return results, (pickled, name, str(error), "".join(traceback.format_exception(kind, error, frames)))
    return results, None


# The server shows no frames of this file in tracebacks.
for _function in (call, call_each):
    _function.__code__ = _function.__code__.replace(co_filename="<gild>")
