"""``dg.compile``: a Python function captured once and run as one native call.

The function is run one time with placeholders for its arguments. Every operation it
performs, forward, backward and optimizer update alike, becomes a node of one graph;
parameters and buffers it reads become inputs, and those it rebinds become outputs of the
program that take effect when the call returns.
"""

from __future__ import annotations

import copy
import functools
import threading
import types
import weakref
from collections.abc import Callable, Hashable, Iterable, Sequence
from typing import Any

import numpy as np

from . import backends
from .backends.measured import Stopwatch
from .backends.recorded import Recorded
from .checks import checks_of
from .discovery import Watch, argument_token, names_of
from .errors import DomainError, ShapeError
from .graph.data import to_array
from .graph.graph import CONSTANT, INPUT, Graph, Node
from .graph.storage import Storage, changed
from .graph.tensor import DROPPED, Buffer, Parameter, Tensor, read
from .graph.trace import (
    CHANGES,
    Trace,
    Traceable,
    active_trace,
    grad_enabled,
    noting_calls,
    warn,
)  # fmt: skip
from .graph.tree import flatten, unflatten
from .graph.types import TensorType, dtype_of
from .looking import Looking
from .passes import PRECISIONS, optimize
from .passes.winograd import is_exact
from .taps import Tap, Taps, readings

Run = Callable[[Sequence[np.ndarray]], list[np.ndarray]]

MANY_PROGRAMS = 8
_ARRAYS = frozenset({np.ndarray, Tensor})
_TENSOR = object()  # the place of a tensor among returned values


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


class Program:
    """One recorded graph, bound to the tensors it reads and rebinds.

    Attributes:
        graph: what was recorded, composites included; ``print(program)`` shows it.
        state: the tensors behind the graph's state nodes.
        executable: what the backend made of it.
        chosen: the name of the backend, and why it was taken.
        seconds: how long each part of making the program took.
    """

    def __init__(
        self,
        graph: Graph,
        trace: Trace,
        result: tuple[Hashable, list[Any]],
        kept: list[Tensor],
        backend: str | None,
        precision: str,
        taps: Sequence[Tap],
        watch: Stopwatch,
    ) -> None:
        self.graph = graph
        self._taps = taps
        self.backend = backend or backends.default()
        self.chosen = f"{self.backend}, {'asked for' if backend else 'the default'}"
        compiler = backends.get(self.backend)
        fewer = compiler.FEWER_PRODUCTS and not is_exact()
        passes = functools.partial(optimize, precision=precision, fewer=fewer)
        self._recorded = Recorded(graph, passes, f"{precision} {fewer}", watch)
        self.state = [tensor for tensor, _ in trace.state.values()]
        self._structure, self._template = result
        self._kept = kept
        self._entry = list(trace.entry_gradients)
        dropped = [(t, None if g is None else DROPPED) for t, g in trace.gradients]
        self._exit = [(t, g) for t, g in dropped if all(t is not k for k in kept)]
        self._lock = threading.Lock()
        self._checks = checks_of(graph)
        self._dtypes = [n.type.dtype.numpy for n in graph.inputs]
        self._types = [n.type for n in graph.outputs]
        self._storages = [t.bind_storage() for t in self.state]
        self._seen_values = -1
        written = {node.id for node, _ in graph.updates}
        pairs = zip(self._storages, graph.state, strict=True)
        self._written = [storage for storage, node in pairs if node.id in written]
        self.executable = compiler.compile(self._recorded, self._storages)
        self.seconds = {**watch.seconds, **self.executable.seconds}

    @property
    def optimized(self) -> Graph:
        """What the passes made of `graph`."""
        return self._recorded.optimized

    @classmethod
    def record(
        cls,
        function: Callable[..., Any],
        leaves: Sequence[Any],
        structure: Any,
        names: tuple[dict[int, str], dict[int, str]],
        backend: str | None,
        keep_grads: bool,
        precision: str,
        taps: Taps | None,
    ) -> Program:
        """Run ``function`` once with placeholders and return what it did."""
        watch = Stopwatch()
        with watch("trace"), Trace(*names) as trace, noting_calls() as calls:
            inputs: list[Node] = []
            args, kwargs = unflatten(structure, iter([_place(x, trace, inputs) for x in leaves]))
            _name_arguments(function, args, kwargs)
            value = function(*args, **kwargs)
            outputs, shape = flatten(value)
            nodes = [read(x) for x in outputs if isinstance(x, Tensor)]
            looked, watched = taps.record(trace, calls, inputs) if taps else ([], [])
        template = [_TENSOR if isinstance(x, Tensor) else x for x in outputs]
        gradients = [(t, g) for t, g in trace.gradients if isinstance(g, Tensor)]
        kept = [t for t, _ in gradients] if keep_grads else []
        nodes += [g._node for _, g in gradients] if keep_grads else []
        state = {id(t): node for t, node in trace.state.values()}
        graph = Graph(
            tuple(inputs),
            tuple(state.values()),
            tuple(nodes),
            tuple((state[id(t)], node) for t, node in trace.updates),
            tuple(watched),
        )
        return cls(graph, trace, (shape, template), kept, backend, precision, looked, watch)

    def fits(self) -> bool:
        """Whether the program can run on what its tensors hold now.

        Gradients are present or absent as they were when it was recorded, and its state
        still has, or can have again, the memory the executable works on.
        """
        if not all(
            t._grad is found or self._takes_over(t._grad, found) for t, found in self._entry
        ):
            return False
        if CHANGES.values == self._seen_values:
            return True
        pairs = zip(self.state, self._storages, strict=True)
        return all(t._storage is s or _could_have(t, s) for t, s in pairs)

    def _takes_over(self, gradient: Any, known: Any) -> bool:
        """Whether a gradient made since may stand where ``known`` stood; put it there if so."""
        if not isinstance(gradient, Tensor) or not isinstance(known, Tensor):
            return False
        for k, tensor in enumerate(self.state):
            if tensor is known:
                storage = self._storages[k]
                if gradient._storage is not storage and not _could_have(gradient, storage):
                    return False
                if known._storage is storage:
                    known.leave_storage()
                gradient.take_storage(storage)
                self.state[k] = gradient
        self._entry = [(t, gradient if found is known else found) for t, found in self._entry]
        CHANGES.values += 1
        return True

    @property
    def repeats(self) -> bool:
        """Whether the program fits again after it has run: no gradient it found is another."""
        changed = {id(t): g for t, g in self._exit}
        return not self._kept and all(changed.get(id(t), g) is g for t, g in self._entry)

    def __call__(self, inputs: Sequence[np.ndarray]) -> Any:
        """Run the program on one array per argument."""
        arrays = self.prepared(inputs)
        for check in self._checks:
            check(arrays)
        values = self._run(self.executable, arrays)
        return self._results(map(_constant, values, self._types))

    def prepared(self, inputs: Sequence[np.ndarray]) -> list[np.ndarray]:
        """Return the arguments as the executable takes them."""
        return [np.asarray(a, d, order="C") for a, d in zip(inputs, self._dtypes, strict=True)]

    def each(self, inputs: Sequence[np.ndarray]) -> Any:
        """Run the program once per row of the arguments."""
        arrays = self.prepared(inputs)
        for check in self._checks:
            check([a.reshape(-1, *a.shape[2:]) for a in arrays])
        values = self._run(self.executable.each, arrays)
        types = [TensorType(v.shape, t.dtype) for v, t in zip(values, self._types, strict=True)]
        return self._results(map(_constant, values, types))

    def _run(self, run: Run, arrays: list[np.ndarray]) -> list[np.ndarray]:
        with self._lock:
            if CHANGES.values != self._seen_values:
                self._bring_up_to_date()
            try:
                return run(arrays)
            finally:  # a row whose host call raises comes after rows that changed state
                changed(self._written)

    def _results(self, nodes: Iterable[Node]) -> Any:
        results = [Tensor.of(node) for node in nodes]
        for tensor in reversed(self._kept):
            tensor._grad = results.pop()
        if self._kept:  # other programs have to look, this one need not
            CHANGES.values += 1
            self._seen_values += 1
        tensors = iter(results)
        leaves = [next(tensors) if x is _TENSOR else x for x in self._template]
        return unflatten(self._structure, iter(leaves))

    def _bring_up_to_date(self) -> None:
        """Copy values that Python gave to state since the last run; mark used gradients."""
        for tensor, storage in zip(self.state, self._storages, strict=True):
            if tensor._storage is not storage:
                tensor.take_storage(storage)
            tensor.bind_storage()
        for tensor, gradient in self._exit:
            if tensor._grad is not gradient:
                tensor._grad = gradient
                CHANGES.values += 1
        self._seen_values = CHANGES.values

    def readings(self) -> dict[str, Any]:
        """Return what the taps found in the last run, by name."""
        with self._lock:
            return readings(self._taps, self.executable.taps)

    def __str__(self) -> str:
        return str(self.graph)


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


def _could_have(tensor: Tensor, storage: Storage) -> bool:
    array = storage.array
    return tensor._storage is None and tensor.type == TensorType(array.shape, dtype_of(array.dtype))


def _constant(value: np.ndarray, type: TensorType) -> Node:
    value.flags.writeable = False
    return Node(CONSTANT, type, data=value)


def _place(leaf: Any, trace: Trace, inputs: list[Node]) -> Any:
    """A placeholder for a tensor or array argument; anything else stands for itself."""
    if isinstance(leaf, (Parameter, Buffer)) or not isinstance(leaf, (Tensor, np.ndarray)):
        return leaf
    if isinstance(leaf, np.ndarray):
        type = TensorType(leaf.shape, dtype_of(to_array(leaf[:0] if leaf.ndim else leaf).dtype))
        node = trace.argument(type, "")
    else:
        node = trace.argument(leaf.type, "", leaf.requires_grad)
    inputs.append(node)
    placeholder = Tensor.of(node)
    node.owner = weakref.ref(placeholder)
    return placeholder


def _name_arguments(function: Callable[..., Any], args: Any, kwargs: dict[str, Any]) -> None:
    code = getattr(getattr(function, "__func__", function), "__code__", None)
    names = list(code.co_varnames[: code.co_argcount]) if code is not None else []
    if hasattr(function, "__self__"):
        names = names[1:]
    for name, value in [*zip(names, args, strict=False), *kwargs.items()]:
        if isinstance(value, Tensor) and value._node.op is INPUT:
            value._node.name = name
