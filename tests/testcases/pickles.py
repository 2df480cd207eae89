"""What a Python client would send: functions and arguments as pickles, made here because the tests are C++."""

import pickle

import cloudpickle


def function(source, name):
    """The pickle of a function that `source` defines, by value."""
    names = {"__name__": "__client__"}
    exec(source, names)
    return cloudpickle.dumps(names[name])


def by_reference(module, name):
    """The pickle of a function of an installed module, by its name."""
    return pickle.dumps(getattr(__import__(module), name))


def arguments(text):
    """The pickle of (args, kwargs) from the text of a call: `(1, 2, key=3)`."""
    return pickle.dumps(eval(f"(lambda *args, **kwargs: (args, kwargs)){text}"))


def result(pickled):
    """The repr of what a pickle holds."""
    return repr(pickle.loads(pickled))
