"""What a Python function depends on besides its arguments.

A compiled function may be run again without its Python only as long as everything that
Python read is unchanged. `Surroundings` finds what the function can see (closure, globals
it names, defaults, ``self``, and the same for plain functions among these): numbers and
modes go into the key of the program, layers and optimizers tell their own key and give
names to tensors.
"""

from __future__ import annotations

import functools
import types
from collections.abc import Callable, Hashable, Iterator
from typing import Any

from .graph.tensor import Tensor
from .graph.trace import Traceable

_PLAIN = (bool, int, float, str, bytes, type(None))
_MISSING = object()


class Surroundings:
    """The tensors, layers, optimizers and numbers that a function can reach."""

    def __init__(self, function: Callable[..., Any]) -> None:
        self._readers: list[Callable[[], Any]] = []
        self._traceables: dict[str, Traceable] = {}
        self._seen: set[int] = set()
        self._visit(function)

    def tokens(self) -> tuple[Hashable, ...]:
        """Return a token per visible value: numbers by value, everything else by identity."""
        return tuple([token(read()) for read in self._readers])

    def traceables(self) -> dict[str, Traceable]:
        """Return the layers, optimizers and generators in sight, by their variable's name."""
        return self._traceables

    def names(self) -> tuple[dict[int, str], dict[int, str]]:
        """Return names for tensors and paths for layers, both by id."""
        return names_of(self._traceables)

    def _visit(self, function: Any) -> None:
        if id(function) in self._seen:
            return
        self._seen.add(id(function))
        if isinstance(function, functools.partial):
            for part in (function.func, *function.args, *function.keywords.values()):
                self._reach("", lambda part=part: part)
            return
        if isinstance(function, types.MethodType):
            self._reach("self", lambda: function.__self__)
            self._visit(function.__func__)
            return
        if not isinstance(function, types.FunctionType):
            return
        for name, cell in zip(
            function.__code__.co_freevars, function.__closure__ or (), strict=True
        ):
            self._reach(name, functools.partial(_contents, cell))
        for name in sorted(set(_global_names(function.__code__))):
            self._reach(name, functools.partial(function.__globals__.get, name, _MISSING))
        for default in (*(function.__defaults__ or ()), *(function.__kwdefaults__ or {}).values()):
            self._reach("", lambda default=default: default)

    def _reach(self, name: str, read: Callable[[], Any]) -> None:
        value = read()
        if value is _MISSING or isinstance(value, types.ModuleType):
            return
        self._readers.append(read)
        if isinstance(value, Traceable):
            if all(value is not known for known in self._traceables.values()):
                self._traceables[name] = value
        elif isinstance(value, (types.FunctionType, types.MethodType, functools.partial)):
            if not (getattr(value, "__module__", "") or "").startswith("deepglass."):
                self._visit(value)
        elif name == "self":
            for attribute in list(getattr(value, "__dict__", {})):
                self._reach(attribute, functools.partial(_attribute, value, attribute))


def _contents(cell: types.CellType) -> Any:
    try:
        return cell.cell_contents
    except ValueError:  # not assigned yet
        return _MISSING


def _attribute(value: Any, name: str) -> Any:
    return getattr(value, name, _MISSING)


def _global_names(code: types.CodeType) -> Iterator[str]:
    yield from code.co_names
    for constant in code.co_consts:
        if isinstance(constant, types.CodeType):
            yield from _global_names(constant)


def token(value: Any) -> Hashable:
    """Return what a program's key remembers of ``value``."""
    if isinstance(value, _PLAIN):
        return (type(value).__name__, value)
    if isinstance(value, Tensor):
        return ("tensor", id(value), value.type, value.requires_grad)
    return id(value)


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
            if getattr(tensor, "of", None) is not None and id(tensor.of) in tensors:
                tensors[id(tensor)] = f"{tensor.role}({tensors[id(tensor.of)]})"
    return tensors, scopes
