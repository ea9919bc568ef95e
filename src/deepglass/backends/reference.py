"""The reference backend: every node by its own NumPy definition, one after another."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from ..errors import BackendError
from ..graph.graph import Graph, Node
from ..graph.kinds import Leaf
from ..graph.storage import Storage
from .measured import Kernel, Measured, Slices
from .recorded import Recorded

FEWER_PRODUCTS = False


@dataclass(frozen=True)
class ReferenceExecutable:
    """A graph that is walked at each call."""

    graph: Graph
    state: Sequence[np.ndarray]
    taps: list[np.ndarray] = field(default_factory=list)

    @property
    def seconds(self) -> dict[str, float]:
        """Nothing is made before the first call."""
        return {}

    def __call__(self, inputs: Sequence[np.ndarray]) -> list[np.ndarray]:
        results = self.graph.compute(self._given(inputs))
        copies = [np.array(value) for value in results]
        slots = {n.id: a for n, a in zip(self.graph.state, self.state, strict=True)}
        outputs, changes = len(self.graph.outputs), len(self.graph.updates)
        new_state = copies[outputs : outputs + changes]
        for (node, _), value in zip(self.graph.updates, new_state, strict=True):
            np.copyto(slots[node.id], value)
        self.taps[:] = copies[outputs + changes :]
        return copies[:outputs]

    def _given(self, inputs: Sequence[np.ndarray]) -> dict[int, np.ndarray]:
        nodes = (*self.graph.inputs, *self.graph.state)
        return {n.id: a for n, a in zip(nodes, (*inputs, *self.state), strict=True)}

    def each(self, inputs: Sequence[np.ndarray]) -> list[np.ndarray]:
        runs = [self([a[k, ...] for a in inputs]) for k in range(len(inputs[0]))]
        return [np.stack(results) for results in zip(*runs, strict=True)]

    def measure(self, inputs: Sequence[np.ndarray], runs: int) -> Measured:
        """Time every node; the state stays as it is."""
        nodes = [n for n in self.graph.nodes() if not isinstance(n.op.kernel, Leaf)]
        slices = tuple(self._timed(inputs) for _ in range(runs))
        return Measured(tuple(map(_kernel, nodes)), slices, 1, 0, 0, (), None)

    def _timed(self, inputs: Sequence[np.ndarray]) -> Slices:
        stamps: list[float] = []
        begin = time.perf_counter()
        self.graph.compute(self._given(inputs), lambda: stamps.append(time.perf_counter()))
        start = np.array([begin, *stamps[:-1]])[: len(stamps)] - begin
        stop = np.array(stamps) - begin
        number = np.arange(len(stamps))
        return Slices(number, np.zeros_like(number), start, stop, time.perf_counter() - begin)

    def source(self, language: str, kernel: int | None = None) -> str:
        """There is none.

        Raises:
            BackendError: always.
        """
        raise BackendError(
            f"source: code is made by the native backend; this program runs in NumPy, got "
            f'language={language!r}. Compile with backend="native".'
        )


def _kernel(node: Node) -> Kernel:
    moved = node.type.bytes + sum(i.type.bytes for i in node.inputs)
    loops = " ".join(map(str, node.type.shape))
    return Kernel(node.op.name, node.path, node.source, "numpy", loops, 0, 0, moved)


def compile(recorded: Recorded, state: Sequence[Storage]) -> ReferenceExecutable:
    """Return an executable that computes a graph node by node."""
    return ReferenceExecutable(recorded.optimized, [s.array for s in state])
