"""Composite ops written out in primitive ones."""

from __future__ import annotations

from ..graph.graph import Graph, Node, like
from ..graph.kinds import Composite
from ..graph.tensor import Tensor, read


def expand(graph: Graph) -> Graph:
    """Replace every composite by its expansion, which keeps its source line and layer.

    y = relu(x)    -->    y = maximum(x, broadcast(0))
    """
    while any(isinstance(n.op.kernel, Composite) for n in graph.nodes()):
        graph = graph.rewrite(_expand_node)
    return graph


def _expand_node(node: Node, inputs: tuple[Node, ...]) -> Node:
    if not isinstance(node.op.kernel, Composite):
        return like(node, inputs)
    with node.trace.resume(node):
        return read(node.op.kernel.expand(*map(Tensor.of, inputs), **node.params))
