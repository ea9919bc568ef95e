"""Composite ops written out in primitive ones."""

from __future__ import annotations

from ..graph.graph import Graph, Node, ancestors, like
from ..graph.kinds import Composite
from ..graph.tensor import Tensor, read


def expand(graph: Graph) -> Graph:
    """Replace every composite by its expansion, which keeps its source line and layer.

    y = relu(x)    -->    y = maximum(x, broadcast(0))
    """
    done: dict[int, Node] = {}  # nodes without composites, by the id of what they stand for

    def rule(node: Node, inputs: tuple[Node, ...]) -> Node:
        if isinstance(node.op.kernel, Composite):
            with node.trace.resume(node):
                whole = read(node.op.kernel.expand(*map(Tensor.of, inputs), **node.params))
            for part in ancestors([whole], lambda n: n.id not in done):
                if part.id not in done:
                    done[part.id] = rule(part, tuple(done[i.id] for i in part.inputs))
            new = done[whole.id]
        else:
            new = like(node, inputs)
        done[new.id] = new
        return new

    return graph.rewrite(rule)
