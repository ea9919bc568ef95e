"""One recording of a function, bound to the tensors it reads and rebinds.

The function runs once with placeholders for its arguments. What it reads becomes inputs of the
graph, what it rebinds outputs, which take effect when a run returns.
"""

from __future__ import annotations

import functools
import threading
import weakref
from collections.abc import Callable, Hashable, Iterable, Sequence
from typing import Any

import numpy as np

from . import backends
from .backends.measured import Stopwatch
from .backends.recorded import Recorded
from .checks import checks_of
from .graph.data import to_array
from .graph.graph import CONSTANT, INPUT, Graph, Node
from .graph.storage import Storage, changed
from .graph.tensor import DROPPED, Buffer, Parameter, Tensor, read
from .graph.trace import CHANGES, Trace, noting_calls
from .graph.tree import flatten, unflatten
from .graph.types import TensorType, dtype_of
from .passes import optimize
from .passes.winograd import is_exact
from .taps import Tap, Taps, readings

Run = Callable[[Sequence[np.ndarray]], list[np.ndarray]]

_TENSOR = object()  # the place of a tensor among returned values


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
