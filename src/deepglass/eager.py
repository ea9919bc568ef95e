"""Operations outside of compiled functions: in NumPy, or where that is slow in machine code.

An operation is what its record's reference computes. Pooling, depthwise convolutions, losses,
random numbers and their like take NumPy many passes over memory; where they would take it `LONG`
or more, by a rough count, they run as native programs of one node. One is compiled for each
operation, types and parameters when it is first met, which takes some hundredths of a second,
and is kept. Which way an operation goes is decided then, so equal operations give equal bits.

Matrix products, and convolutions that are mainly products, stay with NumPy, whose library for
them is as fast.
"""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Hashable, Sequence
from importlib.util import find_spec
from math import prod
from typing import Any

import numpy as np

from . import backends
from .backends import Executable
from .backends.recorded import Recorded
from .graph.cost import cost
from .graph.graph import Graph, Node
from .graph.kinds import Composite, Contraction, Elementwise, Pull, Reduction, Scatter
from .graph.op import Op
from .graph.tensor import compute_with
from .graph.trace import Trace, record
from .graph.types import TensorType, dtype_of
from .passes import optimize

MANY_ELEMENTS = 4096  # in the largest tensor; below, nobody asks further
LONG = 4e5  # nanoseconds in NumPy from which machine code is worth compiling
MANY_PROGRAMS = 64  # of one operation; what it meets beyond them stays in NumPy

# Nanoseconds that NumPy takes, roughly.
PER_OPERATION = 0.4  # on a number, counted as in `graph.cost`
PER_CHOICE = 5.0  # of one element or another, by a condition that cannot be foretold
PER_PICK = 20.0  # of an element out of a window
PER_SUM = 0.5  # of an element
PER_PRODUCT = 1.0  # of those that are summed, where copies of their factors cost as much
PER_MEETING = 10.0  # of an element with others at one place

HEAVY = 12  # operations on an element above which a loop of NumPy's own is slow
DENSE = 16  # products for each element in sight from which NumPy's are as fast

Key = tuple[Hashable, ...]


class Programs:
    """Native programs of one operation each.

    Attributes:
        made: by operation, types and parameters; None where NumPy is as fast.
    """

    def __init__(self) -> None:
        self.made: dict[Key, Executable | None] = {}
        self._quick: set[str] = set()  # names of operations that take NumPy no time to speak of
        self._counts: Counter[str] = Counter()
        self._lock = threading.Lock()

    def compute(
        self, op: Op, arrays: Sequence[np.ndarray], params: dict[str, Any], type: TensorType
    ) -> np.ndarray:
        """Return what `Op.compute` returns, found in the faster way."""
        program = None
        large = max([type.size, *[a.size for a in arrays]]) >= MANY_ELEMENTS
        native = large and backends.default() == "native"
        if native and op.name not in self._quick and _may_be_slow(op):
            program = self._program(op, arrays, params, type)
        if program is None:
            return op.compute(arrays, params, type)
        op.check(arrays, params)
        with self._lock:  # a program has memory of its own
            return program([np.ascontiguousarray(a) for a in arrays])[0]

    def _program(
        self, op: Op, arrays: Sequence[np.ndarray], params: dict[str, Any], type: TensorType
    ) -> Executable | None:
        types = tuple((a.shape, a.dtype.char) for a in arrays)
        key = op.name, types, repr(sorted(params.items()))
        if key not in self.made:
            with self._lock:
                recorded = Recorded(_graph(op, arrays, params, type), optimize)
                time = _nanoseconds(op, recorded.optimized)
                if not time and isinstance(op.kernel, (Elementwise, Pull)):
                    self._quick.add(op.name)
                elif time < LONG or self._counts[op.name] >= MANY_PROGRAMS:
                    self.made[key] = None
                else:
                    self._counts[op.name] += 1
                    self.made[key] = backends.get("native").compile(recorded, ())
        return self.made.get(key)


def install() -> None:
    """Have operations outside of compiled functions computed in the faster way."""
    if find_spec("llvmlite") is not None:
        compute_with(Programs().compute)


def _may_be_slow(op: Op) -> bool:
    """Whether NumPy may have no fast loop for it, as it has for sums."""
    return isinstance(op.kernel, (Elementwise, Pull, Contraction, Scatter, Composite))


def _graph(op: Op, arrays: Sequence[np.ndarray], params: dict[str, Any], type: TensorType) -> Graph:
    """The operation as a program of its inputs."""
    with Trace() as trace:
        types = [TensorType(a.shape, dtype_of(a.dtype)) for a in arrays]
        inputs = tuple(trace.argument(t, f"x{k}") for k, t in enumerate(types))
        node = record(op, type, inputs, params)
    return Graph(inputs, (), (node,))


def _nanoseconds(op: Op, graph: Graph) -> float:
    """About how long the reference takes in NumPy."""
    least = 0 if isinstance(op.kernel, Composite) else HEAVY
    return sum(_of_node(node, least) for node in graph.nodes())


def _of_node(node: Node, least: float) -> float:
    kernel, size = node.op.kernel, node.type.size
    types = tuple(i.type for i in node.inputs)
    if node.op.name == "where":
        return PER_CHOICE * size
    if isinstance(kernel, Elementwise):
        operations = cost(node)
        return PER_OPERATION * operations * size if operations > least else 0.0
    if isinstance(kernel, Pull):
        return PER_PICK * size if cost(node) or kernel.reuse is not None else 0.0
    if isinstance(kernel, Reduction):
        return PER_SUM * types[0].size
    if isinstance(kernel, Contraction):
        products = size * prod(kernel.over(types, **node.params))
        dense = node.op.name == "matmul" or products > DENSE * (size + sum(t.size for t in types))
        return 0.0 if dense else PER_PRODUCT * products
    if isinstance(kernel, Scatter):
        return PER_MEETING * types[2].size
    return 0.0
