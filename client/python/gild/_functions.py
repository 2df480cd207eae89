"""Functions and arguments as bytes: each function pickled once and known by its hash, arguments with their large buffers beside them.

Functions of modules that the server has travel by name; those of __main__, lambdas, closures and shipped modules by value
(cloudpickle). A function's pickle is kept for as long as it cannot have become another: what a function by value reaches (its code,
defaults, closure and globals) must be unchangeable and still be what it was. One that reaches a list, say, travels with each call,
like the callables that are no functions.
"""

from __future__ import annotations

import collections
import contextlib
import functools
import hashlib
import io
import os
import pickle
import sys
import threading
import types
import weakref
from typing import Any, Callable, Dict, FrozenSet, Iterable, Iterator, List, Mapping, NamedTuple, Optional, Sequence, Set, Tuple

import cloudpickle

from . import _remote
from ._options import OPTIONS_ATTRIBUTE
from .errors import NotPicklable

# A smaller buffer is copied sooner than it is sent beside.
_BUFFER_BYTES_MIN = 64 << 10

# A function may be so large (server/task/capacity.h).
_FUNCTION_BYTES_MAX = 16 << 20

_MAIN = ("__main__", "__mp_main__")
_CONSTANTS = frozenset((int, float, str, bytes, bool, type(None), type(...)))
_registering = threading.RLock()  # cloudpickle's list of modules by value is the process's


class Pickled(NamedTuple):
    """A function for Executor.PutFunction."""

    data: bytes
    sha256: bytes
    name: str
    by_value: bool  # contains bytecode


class Prepared(NamedTuple):
    """A call, as far as pickling goes."""

    function: Pickled
    arguments: bytes
    buffers: Sequence[memoryview]
    by_value: bool

    @property
    def size(self) -> int:
        return len(self.arguments) + sum(buffer.nbytes for buffer in self.buffers)


class _Changeable(Exception):
    """Something is reached that can change without a trace."""


class Functions:
    """Of one executor. Any thread."""

    def __init__(self, ship: Sequence[types.ModuleType] = ()):
        if isinstance(ship, (types.ModuleType, str)):
            raise TypeError("ship: a list of modules, such as ship=[mymodule]")
        for module in ship:
            if not isinstance(module, types.ModuleType):
                raise TypeError(f"ship: {module!r} is not a module")
        self._ship = (*ship, _remote)
        self._by_value_names = [name.encode() for name in (*_MAIN, *(module.__name__ for module in ship))]
        self._kept: weakref.WeakKeyDictionary[Callable, Tuple[tuple, Pickled]] = weakref.WeakKeyDictionary()
        self._call = self.pickled(_remote.call)

    def prepare(self, function: Callable, args: tuple, kwargs: Dict[str, Any]) -> Prepared:
        """Raises NotPicklable, which names what cannot be sent."""
        while type(function) is functools.partial:  # its function may be known
            args, kwargs = (*function.args, *args), {**function.keywords, **kwargs}
            function = function.func
        pickled = self.known(function)
        if pickled is None:
            if not callable(function):
                raise TypeError(f"{function!r} is not callable")
            pickled, args = self._call, (function, *args)
        return self.prepare_stored(pickled, args, kwargs)

    def prepare_stored(self, function: Pickled, args: tuple, kwargs: Mapping[str, Any] = types.MappingProxyType({})) -> Prepared:
        if not args and not kwargs:
            return Prepared(function, b"", (), function.by_value)
        buffers: List[memoryview] = []
        try:
            arguments = self.dumps((args, dict(kwargs)), buffers)
        except Exception as error:
            raise self._explained(function, args, kwargs, error) from error
        return Prepared(function, arguments, buffers, function.by_value or b"cloudpickle" in arguments)

    def known(self, function: Callable) -> Optional[Pickled]:
        """None: it has to travel with each call."""
        if type(function) not in (types.FunctionType, types.BuiltinFunctionType, type):
            return None
        try:
            rests_on = self._rests_on(function)
            kept = self._kept.get(function)
        except (_Changeable, TypeError):  # TypeError: no weak reference to it
            return None
        if kept is not None and kept[0] == rests_on:
            return kept[1]
        pickled = self.pickled(function)
        self._kept[function] = rests_on, pickled
        return pickled

    def dumps(self, value: Any, buffers: Optional[List[memoryview]] = None) -> bytes:
        def keep(buffer: pickle.PickleBuffer) -> bool:
            """Whether it stays within the pickle."""
            try:
                raw = buffer.raw()
            except BufferError:  # not contiguous
                return True
            if raw.nbytes < _BUFFER_BYTES_MIN:
                return True
            found.append(raw)
            return False

        found: List[memoryview] = []
        callback = None if buffers is None else keep
        try:
            data = pickle.dumps(value, protocol=5, buffer_callback=callback)
            plain = not any(name in data for name in self._by_value_names)
        except Exception:
            plain = False  # a lambda, a local class; or nothing that can be pickled
        if not plain:
            found.clear()
            with self._shipped():
                data = _by_value(value, callback)
        if buffers is not None:
            buffers += found
        return data

    def pickled(self, function: Callable) -> Pickled:
        """Raises NotPicklable."""
        try:
            with self._shipped():
                data = _by_value(function)
        except Exception as error:
            raise NotPicklable(f"{name_of(function)} cannot be pickled: {self._why(function, error)}") from error
        if len(data) > _FUNCTION_BYTES_MAX:
            raise NotPicklable(
                f"{name_of(function)} is {len(data) / 2**20:.1f} MiB with what it reaches; {_FUNCTION_BYTES_MAX >> 20} MiB may be sent: pass it as arguments"
            )
        return Pickled(data, hashlib.sha256(data).digest(), name_of(function), b"cloudpickle" in data)

    @contextlib.contextmanager
    def _shipped(self) -> Iterator[None]:
        """Within, cloudpickle takes the shipped modules by value."""
        with _registering:
            mine = []
            try:
                for module in self._ship:
                    if module.__name__ not in cloudpickle.list_registry_pickle_by_value():
                        cloudpickle.register_pickle_by_value(module)
                        mine.append(module)
                yield
            finally:
                for module in mine:
                    cloudpickle.unregister_pickle_by_value(module)

    def _by_reference(self, function: Any) -> bool:
        """Whether the server finds it by its name."""
        name = getattr(function, "__module__", None)
        module = sys.modules.get(name) if isinstance(name, str) else None
        if module is None or self._goes_by_value(name):
            return False
        found: Any = module
        for part in function.__qualname__.split("."):
            found = getattr(found, part, None)
        return found is function

    def _goes_by_value(self, module_name: str) -> bool:
        return _is_one_of(module_name, (*(module.__name__ for module in self._ship), *cloudpickle.list_registry_pickle_by_value()))

    def _rests_on(self, function: Any) -> tuple:
        """Equal as long as the function's pickle would be. Holds nothing alive. Raises _Changeable."""
        facts: List[Any] = []
        self._add_facts(function, facts, set())
        return tuple(facts)

    def _add_facts(self, value: Any, facts: List[Any], seen: Set[int]) -> None:
        kind = type(value)
        if kind in _CONSTANTS:
            facts += (kind, value)
        elif kind is tuple or kind is frozenset:
            facts += (kind, len(value))
            for each in value:
                self._add_facts(each, facts, seen)
        elif kind is types.ModuleType and sys.modules.get(value.__name__) is value and not self._goes_by_value(value.__name__):
            facts.append(weakref.ref(value))
        elif kind is types.FunctionType:
            facts.append(weakref.ref(value))
            if id(value) not in seen and not self._by_reference(value):
                seen.add(id(value))
                self._add_facts_by_value(value, facts, seen)
        elif kind in (types.BuiltinFunctionType, type) and self._by_reference(value):
            facts.append((value.__module__, value.__qualname__) if kind is types.BuiltinFunctionType else weakref.ref(value))
        else:
            raise _Changeable

    def _add_facts_by_value(self, function: Any, facts: List[Any], seen: Set[int]) -> None:
        code = function.__code__
        facts.append(weakref.ref(code))
        self._add_facts(function.__defaults__, facts, seen)
        for attributes in (function.__kwdefaults__ or {}, function.__dict__):
            for name, value in attributes.items():
                if name != OPTIONS_ATTRIBUTE:
                    facts.append(name)
                    self._add_facts(value, facts, seen)
        for cell in function.__closure__ or ():
            try:
                self._add_facts(cell.cell_contents, facts, seen)
            except ValueError:  # empty
                facts.append(None)
        for name in _names(code):
            if name in function.__globals__:
                facts.append(name)
                self._add_facts(function.__globals__[name], facts, seen)

    def _explained(self, function: Pickled, args: tuple, kwargs: Mapping[str, Any], error: Exception) -> NotPicklable:
        name = function.name
        if function is self._call:
            callable_, *args = args  # type: ignore[assignment]
            name = name_of(callable_)
            try:
                self.dumps(callable_)
            except Exception as its_error:
                return NotPicklable(f"{name} cannot be pickled: {self._why(callable_, its_error)}")
        for argument, value in (*((str(i), value) for i, value in enumerate(args, 1)), *((f"{key}=", value) for key, value in kwargs.items())):
            try:
                self.dumps(value)
            except Exception as its_error:
                return NotPicklable(
                    f"argument {argument} of {name}, of type {type(value).__qualname__}, cannot be pickled: {self._why(value, its_error)}"
                )
        return NotPicklable(f"the arguments of {name} cannot be pickled: {_brief(error)}")

    def _why(self, value: Any, error: Exception) -> str:
        """By the name of what it reaches, and that reaches, and so on, as far as that can be told."""
        steps: List[str] = []
        seen = {id(value)}
        found = True
        while found:
            found = False
            for what, reached in self._reached(value):
                if id(reached) not in seen:
                    seen.add(id(reached))
                    try:
                        self.dumps(reached)
                    except Exception as its_error:
                        kind = "" if isinstance(reached, types.FunctionType) else f", of type {type(reached).__qualname__}"
                        steps.append(f"its {what}{kind}: ")
                        value, error, found = reached, its_error, True
                        break
        return "".join(steps) + _brief(error)

    def _reached(self, value: Any) -> Iterator[Tuple[str, Any]]:
        """What is pickled with it, and has a name."""
        if isinstance(value, types.MethodType):
            yield "object", value.__self__
            value = value.__func__
        if not isinstance(value, types.FunctionType):
            for name, attribute in getattr(value, "__dict__", {}).items():
                yield f"attribute {name}", attribute
        elif not self._by_reference(value):
            for name in sorted(_names(value.__code__) & value.__globals__.keys()):
                yield f"global {name}", value.__globals__[name]
            for name, cell in zip(value.__code__.co_freevars, value.__closure__ or ()):
                with contextlib.suppress(ValueError):  # empty
                    yield f"variable {name}", cell.cell_contents
            for default in (*(value.__defaults__ or ()), *(value.__kwdefaults__ or {}).values()):
                yield "default", default


def _is_one_of(module_name: str, by_value: Iterable[str]) -> bool:
    """Or in one of them, or the user's program."""
    return module_name in _MAIN or any(module_name == name or module_name.startswith(name + ".") for name in by_value)


def _reduce_cached(function: Any) -> Any:
    """Of what functools.lru_cache made, which cloudpickle takes for something that the server finds by its name."""
    if "<locals>" not in function.__qualname__ and not _is_one_of(function.__module__ or "", cloudpickle.list_registry_pickle_by_value()):
        return function.__qualname__
    return _remote.cached, (function.__wrapped__, function.cache_parameters())


class _Pickler(cloudpickle.CloudPickler):
    dispatch_table = collections.ChainMap({functools._lru_cache_wrapper: _reduce_cached}, cloudpickle.CloudPickler.dispatch_table)  # type: ignore[attr-defined]


def _by_value(value: Any, buffer_callback: Any = None) -> bytes:
    out = io.BytesIO()
    _Pickler(out, protocol=5, buffer_callback=buffer_callback).dump(value)
    return out.getvalue()


def _renew_lock() -> None:
    """In a fork: another thread may have had it."""
    global _registering
    _registering = threading.RLock()


os.register_at_fork(after_in_child=_renew_lock)


@functools.lru_cache(maxsize=1024)
def _names(code: types.CodeType) -> FrozenSet[str]:
    """All that it may look up among its globals (attributes' names, too)."""
    names = set(code.co_names)
    for constant in code.co_consts:
        if isinstance(constant, types.CodeType):
            names |= _names(constant)
    return frozenset(names)


def name_of(function: Callable) -> str:
    name = getattr(function, "__qualname__", None)
    return name if isinstance(name, str) and name else type(function).__qualname__


def _brief(error: Exception) -> str:
    return f"{error}" if str(error) else type(error).__qualname__
