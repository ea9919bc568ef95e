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
from math import prod
from typing import Any

import numpy as np

from . import backends
from .backends.measured import Stopwatch
from .discovery import Watch, argument_token, names_of
from .errors import DomainError, ShapeError
from .graph.data import to_array
from .graph.graph import CONSTANT, INPUT, Graph, Node
from .graph.storage import Clock, Storage
from .graph.tensor import DROPPED, Buffer, Parameter, Tensor, read
from .graph.trace import CHANGES, Trace, Traceable, active_trace, grad_enabled, warn
from .graph.tree import flatten, unflatten
from .graph.types import Shape, TensorType, dtype_of
from .looking import Looking
from .passes import PRECISIONS, optimize
from .passes.winograd import is_exact

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
        return lambda f: compile(f, backend=backend, keep_grads=keep_grads, precision=precision)
    return Compiled(function, backend, keep_grads, precision)


class Compiled(Looking):
    """A function and the programs recorded from it.

    Attributes:
        programs: by kind of arguments.
        latest: the program called last.
    """

    def __init__(
        self,
        function: Callable[..., Any],
        backend: str | None,
        keep_grads: bool,
        precision: str,
    ) -> None:
        functools.update_wrapper(self, function, updated=())
        self.function = function
        self.backend = backend
        self.keep_grads = keep_grads
        self.precision = precision
        self.programs: dict[Hashable, list[Program]] = {}
        self._recorded = 0
        self.latest: Program | None = None
        self.name = self._attribute = self._name()
        self._watch = Watch(function)
        self._watches: dict[int, Watch] = {}  # of layers among the arguments, by id

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        if active_trace() is not None:
            return self.function(*args, **kwargs)
        program, arrays = self._lookup(args, kwargs)
        self.latest = program
        return program(arrays)

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
        return Compiled(function, self.backend, self.keep_grads, self.precision)

    def _name(self) -> str:
        inner = getattr(self.function, "func", self.function)
        return getattr(inner, "__name__", type(inner).__name__)

    def each(self, *args: Any) -> Any:
        """Call the function once per row of its arguments, in order, without Python in between.

        Training steps that take rows of indices into data in memory become one native call:

            losses = step.each(order.reshape(-1, batch_size))

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
            program, _ = self._lookup(tuple(a[0, ...] for a in rows), {})
            if program.repeats:
                self.latest = program
                return program.each(rows)
        results = [flatten(self(*[a[k, ...] for a in rows])) for k in range(len(rows[0]))]
        leaves = zip(*[leaves for leaves, _ in results], strict=True)
        return unflatten(results[0][1], iter([_stacked(x) for x in leaves]))

    def program(self, *args: Any, **kwargs: Any) -> Program:
        """Return the program that a call with these arguments runs, without running it."""
        return self._lookup(args, kwargs)[0]

    def _lookup(self, args: Any, kwargs: Any) -> tuple[Program, list[np.ndarray]]:
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
        rest = (structure, tuple(tokens), grad_enabled(), is_exact())
        known = self.programs.setdefault((rest, self._seen(layers)), [])
        for program in known:
            if program.fits():
                return program, arrays
        program = self._record(leaves, flatten((args, kwargs))[1])
        known.append(program)
        # what recording itself changed (a counter in forward) does not change from now on
        self.programs.setdefault((rest, self._seen(layers)), known)
        return program, arrays

    def _seen(self, layers: list[Traceable]) -> Hashable:
        return (self._watch.state(), *[self._watched(x).state() for x in layers])

    def _watched(self, layer: Traceable) -> Watch:
        return self._watches.setdefault(id(layer), Watch(layer))

    def _record(self, leaves: Sequence[Any], structure: Hashable) -> Program:
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
        optimized: what the backend was given.
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
        watch: Stopwatch,
    ) -> None:
        self.graph = graph
        self.backend = backend or backends.default()
        self.chosen = f"{self.backend}, {'asked for' if backend else 'the default'}"
        compiler = backends.get(self.backend)
        with watch("passes"):
            fewer = compiler.FEWER_PRODUCTS and not is_exact()
            self.optimized = optimize(graph, precision, fewer)
        self.state = [tensor for tensor, _ in trace.state.values()]
        self._structure, self._template = result
        self._kept = kept
        self._entry = list(trace.entry_gradients)
        dropped = [(t, None if g is None else DROPPED) for t, g in trace.gradients]
        self._exit = [(t, g) for t, g in dropped if all(t is not k for k in kept)]
        self._lock = threading.Lock()
        self._checks = _checks(graph)
        self._dtypes = [n.type.dtype.numpy for n in graph.inputs]
        self._types = [n.type for n in graph.outputs]
        self._clock = Clock()
        self._storages = [t.bind_storage() for t in self.state]
        self._seen_values = -1
        written = {node.id for node, _ in graph.updates}
        for storage, node in zip(self._storages, graph.state, strict=True):
            if node.id in written:
                storage.writers.append(self._clock)
        arrays = [s.array for s in self._storages]
        self.executable = compiler.compile(self.optimized, arrays)
        self.seconds = {**watch.seconds, **self.executable.seconds}

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
    ) -> Program:
        """Run ``function`` once with placeholders and return what it did."""
        watch = Stopwatch()
        with watch("trace"), Trace(*names) as trace:
            inputs: list[Node] = []
            args, kwargs = unflatten(structure, iter([_place(x, trace, inputs) for x in leaves]))
            _name_arguments(function, args, kwargs)
            value = function(*args, **kwargs)
            outputs, shape = flatten(value)
            nodes = [read(x) for x in outputs if isinstance(x, Tensor)]
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
        )
        return cls(graph, trace, (shape, template), kept, backend, precision, watch)

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
        values = self._run(self.executable, arrays, 1)
        return self._results(map(_constant, values, self._types))

    def prepared(self, inputs: Sequence[np.ndarray]) -> list[np.ndarray]:
        """Return the arguments as the executable takes them."""
        return [np.asarray(a, d, order="C") for a, d in zip(inputs, self._dtypes, strict=True)]

    def each(self, inputs: Sequence[np.ndarray]) -> Any:
        """Run the program once per row of the arguments."""
        arrays = self.prepared(inputs)
        for check in self._checks:
            check([a.reshape(-1, *a.shape[2:]) for a in arrays])
        values = self._run(self.executable.each, arrays, len(arrays[0]))
        types = [TensorType(v.shape, t.dtype) for v, t in zip(values, self._types, strict=True)]
        return self._results(map(_constant, values, types))

    def _run(self, run: Run, arrays: list[np.ndarray], count: int) -> list[np.ndarray]:
        with self._lock:
            if CHANGES.values != self._seen_values:
                self._bring_up_to_date()
            try:
                return run(arrays)
            finally:  # a row whose host call raises comes after rows that changed state
                self._clock.count += count

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


def _stacked(results: tuple[Any, ...]) -> Any:
    """The results of several calls in one tensor; what is not a tensor is the last one's."""
    if not isinstance(results[0], Tensor):
        return results[-1]
    return Tensor(np.stack([t.numpy() for t in results]))


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


def _checks(graph: Graph) -> list[Callable[[list[np.ndarray]], None]]:
    """Value checks that can be made on arguments before the program runs.

    A record's ``validate`` looks at the values of integer inputs only. Where such an input is
    an argument of the program (moved or repeated at most), it is checked at each call; where
    it is written into the program, now.

    Raises:
        DomainError: as the op's record says, for a value that is written into the program.
    """
    position = {n.id: k for k, n in enumerate(graph.inputs)}
    checks: list[Callable[[list[np.ndarray]], None]] = []
    for node in graph.nodes():
        if node.op.validate is None:
            continue
        sources = [_behind_moves(i) for i in node.inputs]
        whole = [s if s.type.dtype.is_integer else None for s in sources]
        if any(s is not None and s.id in position for s in whole):
            checks.append(_check(node, whole, position))
        elif any(s is not None and s.op is CONSTANT for s in whole):
            _check(node, whole, position)([])
    return checks


_MOVES = frozenset({"alias", "broadcast", "flip", "reshape", "roll", "transpose"})


def _behind_moves(node: Node) -> Node:
    """The node that all elements of ``node`` come from, in whatever integer type."""
    while node.op.name in _MOVES or _keeps_all(node):
        node = node.inputs[0]
    return node


def _keeps_all(node: Node) -> bool:
    if node.op.name == "cast":
        return node.inputs[0].type.dtype.is_integer
    return node.op.name == "slice" and node.type == node.inputs[0].type


def _check(
    node: Node, sources: Sequence[Node | None], position: dict[int, int]
) -> Callable[[list[np.ndarray]], None]:
    """The check of one node. Values that are not known could be 0 or 1: what is wrong either
    way is an error."""
    validate, params = node.op.validate, node.params
    assert validate is not None
    types = [i.type for i in node.inputs]
    given = [(at, position[s.id]) for at, s in enumerate(sources) if s and s.id in position]

    def standing_in(number: int) -> list[np.ndarray]:
        return [
            np.broadcast_to(np.array(number, t.dtype.wide.numpy), t.shape)
            if s is None or s.data is None
            else np.resize(s.data, t.shape)
            for s, t in zip(sources, types, strict=True)
        ]

    known = [standing_in(0), standing_in(1)]

    def check(arrays: list[np.ndarray]) -> None:
        for standing in known:
            values = standing.copy()
            for at, k in given:
                values[at] = _in_shape(arrays[k], types[at].shape)
            try:
                return validate(*values, **params)
            except DomainError as found:
                error = found
        raise error

    return check


def _in_shape(array: np.ndarray, shape: Shape) -> np.ndarray:
    """The values of an argument as the node sees them; all of them where they are of many steps."""
    if array.shape == shape:
        return array
    size = prod(shape)
    if array.size == size:
        return array.reshape(shape)
    return np.resize(array, shape) if array.size < size else array
