"""Functions and arguments as bytes, without a server."""

import fnmatch
import functools
import gc
import json
import pickle
import sys
import threading
import types
import unittest
import weakref

import serving  # noqa: F401 (finds the client)
import cloudpickle
from gild import NotPicklable
from gild._functions import Functions

CONSTANT = 1


def uses_constant():
    return CONSTANT


def helper(x):
    return x + CONSTANT


def uses_helper(x):
    return helper(x)


LOCK = threading.Lock()


def uses_lock():
    return LOCK


def calls_uses_lock():
    return uses_lock()


@functools.lru_cache(maxsize=None)
def fibonacci(n):
    return n if n < 2 else fibonacci(n - 1) + fibonacci(n - 2)


os_path_cache = fnmatch._compile_pattern  # one of a module that the server has


class Thing:
    def __init__(self, value):
        self.value = value

    def plus(self, other):
        return self.value + other


def called(prepared):
    """What the server would do."""
    function = pickle.loads(prepared.function.data)
    args, kwargs = pickle.loads(prepared.arguments, buffers=prepared.buffers) if prepared.arguments else ((), {})
    return function(*args, **kwargs)


class FunctionsTest(unittest.TestCase):
    def setUp(self):
        self.functions = Functions()

    def prepare(self, function, *args, **kwargs):
        return self.functions.prepare(function, args, kwargs)

    def test_lambdas_closures_partials_and_bound_methods_arrive(self):
        three = 3
        for function, args in (
            (lambda x: x + 1, (1,)),
            (lambda x: x * three, (2,)),
            (functools.partial(pow, 2), (5,)),
            (functools.partial(lambda a, b=0: a - b, b=1), (5,)),
            (Thing(2).plus, (5,)),
            ("abc".upper, ()),
            (Thing, (1,)),
            (json.dumps, ({"a": 1},)),
        ):
            got, expected = called(self.prepare(function, *args)), function(*args)
            self.assertEqual(getattr(got, "value", got), getattr(expected, "value", expected), function)

    def test_a_function_is_pickled_once(self):
        first, again = self.prepare(uses_helper, 1), self.prepare(uses_helper, 2)
        self.assertIs(first.function, again.function)

    def test_a_partial_of_it_is_the_same_function(self):
        self.assertIs(self.prepare(uses_helper, 1).function, self.prepare(functools.partial(uses_helper, 2)).function)

    def test_a_changed_global_is_another_function(self):
        global CONSTANT
        before = self.prepare(uses_helper, 1)
        try:
            CONSTANT = 5
            self.assertEqual(called(self.prepare(uses_helper, 1)), 6)
        finally:
            CONSTANT = 1
        self.assertEqual(self.prepare(uses_helper, 1).function.sha256, before.function.sha256)

    def test_changed_code_defaults_and_cells_are_another_function(self):
        cell = 1

        def function(x=1):
            return x + cell

        self.assertEqual(called(self.prepare(function)), 2)
        cell = 10
        self.assertEqual(called(self.prepare(function)), 11)
        function.__defaults__ = (5,)
        self.assertEqual(called(self.prepare(function)), 15)
        function.__code__ = (lambda x: cell - x).__code__.replace(co_freevars=("cell",))
        self.assertEqual(called(self.prepare(function)), 5)

    def test_one_that_reaches_a_list_travels_with_each_call(self):
        seen = [1]

        def function():
            return list(seen)

        self.assertEqual(called(self.prepare(function)), [1])
        seen.append(2)
        self.assertEqual(called(self.prepare(function)), [1, 2])

    def test_equal_constants_of_another_type_are_others(self):
        value = 1

        def function():
            return value

        self.assertIs(type(called(self.prepare(function))), int)
        value = True
        self.assertIs(type(called(self.prepare(function))), bool)

    def test_recursion_is_no_obstacle(self):
        def factorial(n):
            return n * factorial(n - 1) if n else 1

        self.assertEqual(called(self.prepare(factorial, 5)), 120)
        self.assertIs(self.prepare(factorial, 5).function, self.prepare(factorial, 5).function)

    def test_nothing_is_kept_alive(self):
        class Held:
            pass

        held = Held()

        def function():
            return held

        self.prepare(function)
        self.prepare(lambda x: x, held)
        gone = weakref.ref(held), weakref.ref(function)
        del held, function
        gc.collect()
        self.assertEqual([reference() for reference in gone], [None, None])

    def test_a_function_with_a_cache_travels_by_value_where_its_module_does(self):
        self.assertEqual(called(self.prepare(fibonacci, 30)), 832040)
        self.assertIn(b"fibonacci", self.prepare(fibonacci, 30).arguments)
        prepared = self.functions.prepare(functools.lru_cache(maxsize=2, typed=True)(lambda x: x), (3,), {})
        self.assertEqual(called(prepared), 3)
        function = pickle.loads(prepared.arguments)[0][0]
        self.assertEqual(function.cache_parameters(), {"maxsize": 2, "typed": True})
        self.assertNotIn(b"cloudpickle", self.prepare(os_path_cache, "x").arguments)

    def test_what_cannot_be_sent_is_named(self):
        lock = threading.Lock()
        for call, words in (
            (lambda: self.prepare(print, 1, lock), "argument 2 of print, of type lock, cannot be pickled"),
            (lambda: self.prepare(print, 1, file=lock), "argument file= of print, of type lock"),
            (lambda: self.prepare(lock.acquire), "^lock.acquire cannot be pickled: cannot pickle"),
            (lambda: self.prepare(lambda: lock), "<lambda> cannot be pickled: its variable lock, of type lock: cannot pickle"),
            (lambda: self.prepare(calls_uses_lock), "^calls_uses_lock cannot be pickled: its global uses_lock: its global LOCK, of type lock: cannot pickle"),
            (lambda: self.prepare(lambda given=lock: given), "its default, of type lock: "),
            (lambda: self.prepare(Thing(lock).plus, 1), "^Thing.plus cannot be pickled: its object, of type Thing: its attribute value, of type lock: "),
            (lambda: self.prepare(print, Thing(Thing(lock))), "of type Thing, cannot be pickled: its attribute value, of type Thing: its attribute value, of type lock: "),
        ):
            with self.assertRaisesRegex(NotPicklable, words):
                call()

    def test_it_is_an_error_that_users_of_pickle_know(self):
        self.assertTrue(issubclass(NotPicklable, pickle.PicklingError) and issubclass(NotPicklable, TypeError))

    def test_what_is_not_callable_is_refused(self):
        with self.assertRaisesRegex(TypeError, "not callable"):
            self.prepare(3)

    def test_large_buffers_travel_beside_the_pickle_and_are_not_copied(self):
        array = bytearray(1 << 20)
        prepared = self.prepare(len, pickle.PickleBuffer(array))
        self.assertLess(len(prepared.arguments), 1000)
        self.assertEqual([buffer.nbytes for buffer in prepared.buffers], [1 << 20])
        array[0] = 7
        self.assertEqual(prepared.buffers[0][0], 7)

    def test_small_buffers_stay_within(self):
        self.assertEqual(list(self.prepare(len, pickle.PickleBuffer(bytearray(100))).buffers), [])

    def test_a_shipped_module_travels_by_value_and_others_by_name(self):
        module = types.ModuleType("shipped_for_a_test")
        exec("def f(x):\n    return x + 1\n\nclass C:\n    pass", vars(module))
        sys.modules[module.__name__] = module
        try:
            by_name = Functions().prepare(module.f, (1,), {})
            shipped = Functions(ship=[module])
            by_value, instance = shipped.prepare(module.f, (1,), {}), shipped.prepare(type, (module.C(),), {})
        finally:
            del sys.modules[module.__name__]
        self.assertEqual(cloudpickle.list_registry_pickle_by_value(), set())
        self.assertFalse(by_name.by_value)
        self.assertTrue(by_value.by_value and instance.by_value)
        self.assertEqual(called(by_value), 2)
        self.assertEqual(called(instance).__name__, "C")
        with self.assertRaises(ModuleNotFoundError):
            called(by_name)

    def test_to_ship_what_is_no_module_is_an_error(self):
        with self.assertRaisesRegex(TypeError, "'json' is not a module"):
            Functions(ship=["json"])


if __name__ == "__main__":
    unittest.main()
