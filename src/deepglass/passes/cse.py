"""Common subexpressions computed once."""

from __future__ import annotations

from collections.abc import Hashable

from ..graph.graph import CONSTANT, Graph, Node, like
from ..graph.kinds import Leaf

SMALL = 64  # constants of up to so many elements are compared by value


def merge_common(graph: Graph) -> Graph:
    """Compute equal expressions once.

    a = exp(x); b = exp(x); y = a + b    -->    a = exp(x); y = a + a
    """
    known: dict[Hashable, Node] = {}

    def rule(node: Node, inputs: tuple[Node, ...]) -> Node:
        node = like(node, inputs)
        return known.setdefault(_key(node), node)

    return graph.rewrite(rule)


def _key(node: Node) -> Hashable:
    if node.op is CONSTANT and node.data is not None and node.data.size <= SMALL:
        return (CONSTANT.name, node.type, node.data.tobytes())
    if isinstance(node.op.kernel, Leaf):
        return node.id
    # numbers, names, types and tuples of them; repr tells 0.0 from -0.0
    params = repr(sorted(node.params.items()))
    return (node.op, node.inputs, params, node.type)
