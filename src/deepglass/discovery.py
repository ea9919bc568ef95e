"""What a Python function depends on besides its arguments.

A compiled function may be run again without its Python only as long as everything that
Python read is unchanged. `Surroundings` finds what the function can see: its closure, the
globals it names, its defaults, ``self``; and the same for the functions, methods and layers
among these. Numbers go into the key of the program, everything else by identity; of an
object those attributes count that the code names; layers and optimizers tell their own key
and give names to tensors.
"""

from __future__ import annotations

import dis
import functools
import operator
import sys
import types
from collections.abc import Callable, Hashable
from typing import Any

import numpy as np

from .graph.tensor import Tensor
from .graph.trace import CHANGES, Traceable
from .op import OwnOp

_PLAIN = (bool, int, float, complex, str, bytes, type(None))
_CONTAINERS = (list, tuple, set, frozenset)
_MISSING = object()

Names = frozenset[str]


class Surroundings:
    """The tensors, layers, optimizers and numbers that a function can reach."""

    def __init__(self, function: Callable[..., Any]) -> None:
        self._readers: dict[tuple[int, str], Callable[[], Any]] = {}
        self._traceables: dict[str, Traceable] = {}
        self._layers: set[int] = set()  # all layers of the traceables
        self._seen: dict[Hashable, Any] = {}  # holds what it has seen, so that ids stay unique
        self._root = getattr(function, "__func__", function)
        self._look_into("self", function, frozenset())

    def values(self) -> list[Any]:
        """Return the values in sight that may be replaced by others."""
        return [read() for read in self._readers.values()]

    def traceables(self) -> dict[str, Traceable]:
        """Return the layers, optimizers and generators in sight, by their variable's name."""
        return self._traceables

    def _look_into(self, name: str, value: Any, names: Names) -> None:
        """Find what ``value`` depends on; ``names`` are the attributes that code asks for."""
        if isinstance(value, (*_PLAIN, Tensor, np.ndarray, np.generic)):
            return
        if isinstance(value, types.MethodType):
            key: Hashable = (id(value.__func__), id(value.__self__))
        else:
            key = (id(value), names)
        if key in self._seen:
            return
        self._seen[key] = value
        if isinstance(value, Traceable):
            self._note(name, value)
            self._attributes(value, names, polled=False)
        elif isinstance(value, OwnOp):
            for rule in value.gradient:  # recorded; its reference is called anew at each run
                self._look_into("", rule, frozenset())
        elif isinstance(value, functools.partial):
            for part in (value.func, *value.args, *value.keywords.values()):
                self._look_into("", part, names)
        elif isinstance(value, types.MethodType):
            code = getattr(value.__func__, "__code__", None)
            asked = _attribute_names(code) if self._is_open(value.__func__) else frozenset()
            self._look_into("self", value.__self__, asked)
            self._look_into("", value.__func__, names)
        elif isinstance(value, types.FunctionType):
            self._visit(value)
        elif isinstance(value, (*_CONTAINERS, dict)):
            for part in value.values() if isinstance(value, dict) else value:
                self._look_into(name, part, names)
        elif "__wrapped__" in getattr(value, "__dict__", {}):
            self._look_into(name, value.__wrapped__, names)
        elif isinstance(value, (types.ModuleType, type)):
            module = value.__name__ if isinstance(value, types.ModuleType) else value.__module__
            if not _is_library(module):
                self._attributes(value, names, polled=True)
        elif not type(value).__module__.startswith(("deepglass.", "numpy")):
            self._attributes(value, names, polled=True)
            call = getattr(type(value), "__call__", None)  # noqa: B004 - its code is wanted
            if isinstance(call, types.FunctionType):
                self._look_into("", types.MethodType(call, value), names)

    def _note(self, name: str, value: Traceable) -> None:
        if id(value) in self._layers or any(value is t for t in self._traceables.values()):
            return
        while name in self._traceables:
            name += "'"
        self._traceables[name] = value
        for _, layer in value.named_scopes():
            self._layers.add(id(layer))
            forward = getattr(type(layer), "forward", None)
            if isinstance(forward, types.FunctionType):
                self._look_into("", types.MethodType(forward, layer), frozenset())

    def _is_open(self, function: Any) -> bool:
        """Whether a function's globals may change: it is the user's, or the one compiled."""
        code = getattr(function, "__code__", None)
        if code is None:
            return False
        library = _is_library(function.__module__ or "") or "site-packages" in code.co_filename
        return function is self._root or not library

    def _visit(self, function: types.FunctionType) -> None:
        code = function.__code__
        names = _attribute_names(code) if self._is_open(function) else frozenset()
        cells = zip(code.co_freevars, function.__closure__ or (), strict=True)
        for name, cell in cells:
            self._reach(cell, name, functools.partial(_contents, cell), names)
        if not self._is_open(function):
            return
        space = function.__globals__
        for name in sorted(_global_names(code)):
            self._reach(space, name, functools.partial(space.get, name, _MISSING), names)
        for default in (*(function.__defaults__ or ()), *(function.__kwdefaults__ or {}).values()):
            self._look_into("", default, names)

    def _attributes(self, value: Any, names: Names, polled: bool) -> None:
        """Look into the attributes of ``value`` among ``names``.

        Not ``polled`` are those of layers, which count their own changes, unless they can
        change inside.
        """
        own = getattr(value, "__dict__", {})
        for name in sorted(names):
            read = functools.partial(_attribute, value, name)
            if name in own:
                if polled or isinstance(own[name], (list, dict, set)):
                    self._reach(value, name, read, names)
                else:
                    self._look_into(name, own[name], names)
                continue
            found = getattr(type(value), name, _MISSING)
            if isinstance(found, property):
                found = found.fget
            if isinstance(found, types.FunctionType):
                self._look_into("", types.MethodType(found, value), names)
            elif isinstance(found, (*_PLAIN, types.MemberDescriptorType)):
                self._reach(value, name, read, names)

    def _reach(self, holder: Any, name: str, read: Callable[[], Any], names: Names) -> None:
        value = read()
        if value is _MISSING:
            return
        if not isinstance(value, types.ModuleType):
            self._readers.setdefault((id(holder), name), read)
        self._look_into(name, value, names)


def _contents(cell: types.CellType) -> Any:
    try:
        return cell.cell_contents
    except ValueError:  # not assigned yet
        return _MISSING


def _attribute(value: Any, name: str) -> Any:
    return getattr(value, name, _MISSING)


def _is_library(module: str) -> bool:
    package = module.partition(".")[0]
    return package in ("deepglass", "numpy") or package in sys.stdlib_module_names - {"__main__"}


@functools.lru_cache(maxsize=1024)
def _global_names(code: types.CodeType) -> Names:
    return _names(code, ("LOAD_GLOBAL", "LOAD_NAME"))


@functools.lru_cache(maxsize=1024)
def _attribute_names(code: types.CodeType) -> Names:
    return _names(code, ("LOAD_ATTR", "LOAD_METHOD", "LOAD_SUPER_ATTR"))


def _names(code: types.CodeType, instructions: tuple[str, ...]) -> Names:
    """The names such instructions use, here and in the functions defined inside."""
    found = {i.argval for i in dis.get_instructions(code) if i.opname in instructions}
    inner = [c for c in code.co_consts if isinstance(c, types.CodeType)]
    return frozenset(found).union(*[_names(c, instructions) for c in inner])


class Same:
    """An object by identity; holding it keeps its identity from being used again."""

    __slots__ = ("value",)

    def __init__(self, value: Any) -> None:
        self.value = value

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Same) and self.value is other.value

    def __hash__(self) -> int:
        return id(self.value)


def token(value: Any) -> Hashable:
    """Return what a program's key remembers of ``value``.

    >>> token([1, 2.5]) == token([1, 2.5]), token(1) == token(True)
    (True, False)
    """
    if isinstance(value, Tensor):
        return (Same(value), value.type, value.requires_grad)
    if isinstance(value, np.generic):
        return (value.dtype.str, value.tobytes())
    if isinstance(value, _PLAIN):
        return (type(value).__name__, value)
    if isinstance(value, _CONTAINERS):
        return (type(value).__name__, *map(token, value))
    if isinstance(value, dict):
        return ("dict", *[(token(k), token(v)) for k, v in value.items()])
    return Same(value)


def argument_token(value: Any) -> Hashable:
    """Return what a program's key remembers of an argument that is no tensor: of an object
    its identity and the numbers it holds."""
    if isinstance(value, Traceable) or callable(value) or not hasattr(value, "__dict__"):
        return token(value)
    held = {k: v for k, v in vars(value).items() if isinstance(v, (*_PLAIN, *_CONTAINERS, dict))}
    return (Same(value), token(held))


class Watch:
    """Tells apart the states of everything a function or a layer can see.

    Numbers are looked at every time; layers and optimizers are asked only when something
    changed since they were last asked.
    """

    def __init__(self, thing: Any) -> None:
        self.thing = thing
        self._around: Surroundings | None = None
        self._values: list[Any] = []
        self._rigid = False  # none of them can change inside
        self._tokens: tuple[Hashable, ...] = ()
        self._changes = -1
        self._states: dict[Hashable, int] = {}  # long keys are hashed once per change
        self._state = -1

    def state(self) -> int:
        """Return the number of the present state; equal numbers, equal states."""
        around = self._around
        values = around.values() if around is not None else []
        unchanged = self._rigid and CHANGES.structure == self._changes
        if unchanged and all(map(operator.is_, values, self._values)):
            return self._state
        tokens = tuple(map(token, values))
        if around is None or tokens != self._tokens or CHANGES.structure != self._changes:
            if around is None or tokens != self._tokens:
                around = self._around = Surroundings(self.thing)
                values = around.values()
                tokens = tuple(map(token, values))
            self._tokens, self._changes = tokens, CHANGES.structure
            key = (self._tokens, tuple(map(_key_of, around.traceables().values())))
            self._state = self._states.setdefault(key, len(self._states))
        self._values = values
        self._rigid = not any(isinstance(v, (*_CONTAINERS, dict)) for v in values)
        return self._state

    def traceables(self) -> dict[str, Traceable]:
        """Return the layers, optimizers and generators in sight, by their variable's name."""
        return self._around.traceables() if self._around is not None else {}


def _key_of(thing: Traceable) -> Hashable:
    state = tuple((Same(t), t.type, t.requires_grad) for _, t in thing.named_state())
    return (Same(thing), thing.trace_key(), state)


def names_of(traceables: dict[str, Traceable]) -> tuple[dict[int, str], dict[int, str]]:
    """Return names of tensors and paths of layers, by id.

    A single model needs no prefix: its weights are called "fc1.weight". Several are told
    apart by the variables that hold them.
    """
    tensors: dict[int, str] = {}
    scopes: dict[int, str] = {}
    with_layers = [t for t in traceables.values() if next(t.named_scopes(), None) is not None]
    for variable, thing in traceables.items():
        several = len(with_layers) > 1 and thing in with_layers
        prefix = f"{variable}." if several else ""
        for name, tensor in thing.named_state():
            tensors.setdefault(id(tensor), prefix + name)
        for path, layer in thing.named_scopes():
            scopes.setdefault(id(layer), (prefix + path).rstrip("."))
    for thing in traceables.values():
        for _, tensor in thing.named_state():
            parameter = getattr(tensor, "parameter", None)
            if id(parameter) in tensors:
                tensors[id(tensor)] = f"{tensor.role}({tensors[id(parameter)]})"
    return tensors, scopes
