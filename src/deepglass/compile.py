"""``dg.compile``: a Python function captured once and run as one native call.

The function is run one time with placeholders for its arguments. Every operation it
performs, forward, backward and optimizer update alike, becomes a node of one graph;
parameters and buffers it reads become inputs, and those it rebinds become outputs of the
program that take effect when the call returns.
"""

from __future__ import annotations

import copy
import functools
import types
from collections.abc import Callable, Hashable, Sequence
from typing import Any

import numpy as np

from .discovery import Watch, argument_token, names_of
from .errors import DomainError, ShapeError
from .graph.tensor import Buffer, Parameter, Tensor
from .graph.trace import Traceable, active_trace, grad_enabled, warn
from .graph.tree import flatten, unflatten
from .looking import Looking
from .passes import PRECISIONS
from .passes.winograd import is_exact
from .program import Program
from .taps import Taps

MANY_PROGRAMS = 8
_ARRAYS = frozenset({np.ndarray, Tensor})


def compile(
    function: Callable[..., Any] | None = None,
    *,
    backend: str | None = None,
    keep_grads: bool = False,
    precision: str = "float32",
    taps: Taps | None = None,
) -> Any:
    """Return ``function`` captured as one program per kind of arguments.

    What the function sees of Python at its first call is part of the program: pass what
    changes as tensors. A program is recorded anew when numbers, modes and layers in sight
    change; it cannot notice a NumPy array that is changed in place, Python's own random
    numbers, or attributes looked up by computed names. Positions that are computed inside
    are checked by the loops alone: what lies outside reads as NaN (0 for integers) and is
    not added.

    Args:
        function: computes with tensors; usually a whole training step. Tensors and arrays
            among its arguments may change from call to call; numbers, strings and modes of
            layers are part of the program, which is recorded anew when they change.
        backend: "native" or "reference"; the default backend unless given.
            ``x += y`` on an argument stays inside, and so does its gradient: return it.
        keep_grads: leave gradients in ``.grad`` after the step, which costs memory traffic;
            otherwise reading them afterwards raises.
        precision: "bf16" rounds what float32 matrix products and convolutions, and their
            gradients, are made of to bfloat16 (a relative error of at most 2^-9 each) and
            adds up in float32. Weights, optimizer, normalizations and losses stay float32. It
            tells how a network trains in mixed precision; it takes no less time here, as this
            version does not use the products of bfloat16 that some processors have.
        taps: what to look at in the step, such as ``dg.taps.health(model)``; `Compiled.taps`
            tells what was found. Nothing that the step computes changes by a bit.

    Returns:
        a `Compiled` function. Without ``function``: a decorator.

    Raises:
        TraceError: when called, if the function does what cannot be captured: looks at the
            value of a tensor, branches on it, or keeps a tensor outside.
        DomainError: no such precision.

    >>> double = compile(lambda x: x * 2)
    >>> double(Tensor([1.0, 2.0]))
    tensor([2., 4.])
    """
    if precision not in PRECISIONS:
        names = " or ".join(map(repr, PRECISIONS))
        raise DomainError(f"compile: precision is {names}; got {precision!r}.")
    if function is None:
        return lambda f: Compiled(f, backend, keep_grads, precision, taps)
    return Compiled(function, backend, keep_grads, precision, taps)


class Compiled(Looking):
    """A function and the programs recorded from it.

    Attributes:
        programs: by kind of arguments.
        calls: how often the function was called, which says when taps are due.
        latest: the program called last.
        tapped: the last program called with taps.
    """

    def __init__(
        self,
        function: Callable[..., Any],
        backend: str | None,
        keep_grads: bool,
        precision: str,
        taps: Taps | None,
    ) -> None:
        functools.update_wrapper(self, function, updated=())
        self.function = function
        self.backend = backend
        self.keep_grads = keep_grads
        self.precision = precision
        self.watching = taps
        self.programs: dict[Hashable, list[Program]] = {}
        self._recorded = 0
        self.calls = 0
        self.latest: Program | None = None
        self.tapped: Program | None = None
        self.name = self._attribute = self._name()
        self._watch = Watch(function)
        self._watches: dict[int, Watch] = {}  # of layers among the arguments, by id

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        if active_trace() is not None:
            return self.function(*args, **kwargs)
        tapped = self._due(1)
        program, arrays = self._lookup(args, kwargs, tapped)
        self._note(program, tapped)
        return program(arrays)

    def _due(self, calls: int) -> bool:
        """Count some more calls; return whether the last of them is looked at."""
        before, self.calls = self.calls, self.calls + calls
        every = self.watching.every if self.watching else 0
        return every > 0 and before // every < self.calls // every

    def _note(self, program: Program, tapped: bool) -> None:
        """Note which program runs."""
        self.latest = program
        if tapped:
            self.tapped = program

    def __set_name__(self, owner: type, name: str) -> None:
        self._attribute = name

    def __get__(self, instance: Any, owner: type | None = None) -> Any:
        """Return the method of ``instance``, which has programs of its own."""
        if instance is None:
            return self
        bound = self._of(types.MethodType(self.function, instance))
        vars(instance)[self._attribute] = bound  # found before this one from now on
        return bound

    def __deepcopy__(self, memo: dict[int, Any]) -> Compiled:
        return self._of(copy.deepcopy(self.function, memo))

    def _of(self, function: Callable[..., Any]) -> Compiled:
        """Another function compiled in the same way."""
        return Compiled(function, self.backend, self.keep_grads, self.precision, self.watching)

    def _name(self) -> str:
        inner = getattr(self.function, "func", self.function)
        return getattr(inner, "__name__", type(inner).__name__)

    def each(self, *args: Any) -> Any:
        """Call the function once per row of its arguments, in order, without Python in between.

        Training steps that take rows of indices into data in memory become one native call:

            losses = step.each(order.reshape(-1, batch_size))

        Taps that are due in one of the calls look at the last of them.

        Args:
            args: tensors and arrays with a first axis of one length, at least 1.

        Returns:
            what the function returns, each tensor with the results of all calls along a new
            first axis.

        Raises:
            ShapeError: the arguments have no common first axis.

        >>> total = Buffer(0.0)
        >>> @compile
        ... def add(x):
        ...     total.copy_(total + x)
        ...     return total
        >>> add.each(np.float32([1, 2, 3]))
        tensor([1., 3., 6.])
        """
        rows = _rows(args)
        if active_trace() is None:
            first = tuple(a[0, ...] for a in rows)
            if self._lookup(first, {})[0].repeats:
                return self._runs(rows, first)
        return _joined([self(*[a[k, ...] for a in rows]) for k in range(len(rows[0]))], np.stack)

    def _runs(self, rows: list[np.ndarray], first: tuple[np.ndarray, ...]) -> Any:
        """One native call for all rows; one more for the last row where taps are due."""
        tapped = self._due(len(rows[0]))
        most = len(rows[0]) - tapped
        runs = []
        for part, looked in ((slice(most), False), (slice(most, None), True)):
            if len(rows[0][part]):
                program, _ = self._lookup(first, {}, looked)
                self._note(program, looked)
                runs.append(program.each([a[part] for a in rows]))
        return runs[0] if len(runs) == 1 else _joined(runs, np.concatenate)

    def program(self, *args: Any, **kwargs: Any) -> Program:
        """Return the program that a call with these arguments runs, without running it."""
        if self.watching:
            self._lookup(args, kwargs, tapped=True)
        return self._lookup(args, kwargs)[0]

    def _lookup(
        self, args: Any, kwargs: Any, tapped: bool = False
    ) -> tuple[Program, list[np.ndarray]]:
        plain = not kwargs and _ARRAYS.issuperset(map(type, args))
        leaves, structure = (args, len(args)) if plain else flatten((args, kwargs))
        arrays: list[np.ndarray] = []
        tokens: list[Hashable] = []
        for leaf in leaves:
            if isinstance(leaf, np.ndarray):
                tokens += leaf.shape, leaf.dtype.char
                arrays.append(leaf)
            elif isinstance(leaf, Tensor) and not isinstance(leaf, (Parameter, Buffer)):
                tokens += leaf.type, leaf.requires_grad
                arrays.append(leaf.numpy())
            else:
                tokens.append(argument_token(leaf))
        layers = [] if plain else [x for x in leaves if isinstance(x, Traceable)]
        rest = (structure, tuple(tokens), grad_enabled(), is_exact(), tapped)
        known = self.programs.setdefault((rest, self._seen(layers)), [])
        for program in known:
            if program.fits():
                return program, arrays
        program = self._record(leaves, flatten((args, kwargs))[1], tapped)
        known.append(program)
        # what recording itself changed (a counter in forward) does not change from now on
        self.programs.setdefault((rest, self._seen(layers)), known)
        return program, arrays

    def _seen(self, layers: list[Traceable]) -> Hashable:
        return (self._watch.state(), *[self._watched(x).state() for x in layers])

    def _watched(self, layer: Traceable) -> Watch:
        return self._watches.setdefault(id(layer), Watch(layer))

    def _record(self, leaves: Sequence[Any], structure: Hashable, tapped: bool) -> Program:
        around = dict(self._watch.traceables())
        for i, leaf in enumerate(leaves):
            if isinstance(leaf, Traceable) and all(leaf is not x for x in around.values()):
                around[f"argument{i}"] = leaf
        program = Program.record(
            self.function,
            leaves,
            structure,
            names_of(around),
            self.backend,
            self.keep_grads,
            self.precision,
            self.watching if tapped else None,
        )
        self._recorded += 1
        if self._recorded == MANY_PROGRAMS + 1:
            warn(
                f"compile: {self.name} was recorded {self._recorded} times, for as many "
                "kinds of arguments. Pass what changes as tensors, not as Python numbers, and "
                "use few different shapes."
            )
        return program


def _rows(args: Sequence[Any]) -> list[np.ndarray]:
    """The arguments of `Compiled.each` as arrays with a common first axis."""
    rows = [a.numpy() if isinstance(a, Tensor) else np.asarray(a) for a in args]
    if not rows or any(a.ndim == 0 or len(a) != len(rows[0]) for a in rows) or not len(rows[0]):
        raise ShapeError(
            "each: the arguments have a first axis of one length, at least 1; got shapes "
            f"{[a.shape for a in rows]}. Stack what the calls take along a new first axis."
        )
    return rows


def _joined(results: Sequence[Any], join: Callable[[Sequence[np.ndarray]], np.ndarray]) -> Any:
    """Several results in one: tensors joined, of what is no tensor the last."""
    parts = [flatten(result) for result in results]
    leaves = [
        Tensor(join([t.numpy() for t in same])) if isinstance(same[0], Tensor) else same[-1]
        for same in zip(*[leaves for leaves, _ in parts], strict=True)
    ]
    return unflatten(parts[0][1], iter(leaves))
