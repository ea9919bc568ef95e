"""The reference backend: every node by its own NumPy definition, one after another."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ..graph.graph import Graph


@dataclass(frozen=True)
class ReferenceExecutable:
    """A graph that is walked at each call."""

    graph: Graph
    state: Sequence[np.ndarray]

    def __call__(self, inputs: Sequence[np.ndarray]) -> list[np.ndarray]:
        nodes = (*self.graph.inputs, *self.graph.state)
        arrays = (*inputs, *self.state)
        results = self.graph.compute({n.id: a for n, a in zip(nodes, arrays, strict=True)})
        copies = [np.array(value) for value in results]
        slots = {n.id: a for n, a in zip(self.graph.state, self.state, strict=True)}
        outputs, new_state = copies[: len(self.graph.outputs)], copies[len(self.graph.outputs) :]
        for (node, _), value in zip(self.graph.updates, new_state, strict=True):
            np.copyto(slots[node.id], value)
        return outputs

    def each(self, inputs: Sequence[np.ndarray]) -> list[np.ndarray]:
        runs = [self([a[k, ...] for a in inputs]) for k in range(len(inputs[0]))]
        return [np.stack(results) for results in zip(*runs, strict=True)]


def compile(graph: Graph, state: Sequence[np.ndarray]) -> ReferenceExecutable:
    """Return an executable that computes ``graph`` node by node."""
    return ReferenceExecutable(graph, state)
