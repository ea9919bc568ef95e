"""The reference backend: every node by its own NumPy definition, one after another."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ..graph.graph import Graph
from ..graph.kinds import Leaf


@dataclass(frozen=True)
class ReferenceExecutable:
    """A graph that is walked at each call."""

    graph: Graph
    state: Sequence[np.ndarray]

    def __call__(self, inputs: Sequence[np.ndarray]) -> list[np.ndarray]:
        values: dict[int, np.ndarray] = {}
        for nodes, arrays in ((self.graph.inputs, inputs), (self.graph.state, self.state)):
            values.update({n.id: a.view() for n, a in zip(nodes, arrays, strict=True)})
        for node in self.graph.nodes():
            if node.id in values:
                continue
            if isinstance(node.op.kernel, Leaf):
                assert node.data is not None
                values[node.id] = node.data
                continue
            arguments = [values[i.id] for i in node.inputs]
            for array in arguments:
                array.flags.writeable = False
            values[node.id] = node.compute(arguments)
        outputs = [np.array(values[n.id]) for n in self.graph.outputs]
        new_state = [(state, np.array(values[new.id])) for state, new in self.graph.updates]
        slots = {n.id: a for n, a in zip(self.graph.state, self.state, strict=True)}
        for node, value in new_state:
            np.copyto(slots[node.id], value)
        return outputs

    def each(self, inputs: Sequence[np.ndarray]) -> list[np.ndarray]:
        runs = [self([a[k, ...] for a in inputs]) for k in range(len(inputs[0]))]
        return [np.stack(results) for results in zip(*runs, strict=True)]


def compile(graph: Graph, state: Sequence[np.ndarray]) -> ReferenceExecutable:
    """Return an executable that computes ``graph`` node by node."""
    return ReferenceExecutable(graph, state)
