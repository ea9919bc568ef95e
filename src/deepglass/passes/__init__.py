"""Graph to graph: each pass says in its docstring what stands before and after."""

from ..graph.graph import Graph, Node, derived, like
from ..graph.kinds import Scan
from ..graph.region import Region
from .cse import merge_common
from .expand import expand
from .simplify import simplify
from .split import split_sums
from .widen import widen


def optimize_steps(graph: Graph) -> Graph:
    """Optimize what a scan repeats, as a graph of its own.

    scan(x, step)    -->    scan(x, optimized step)
    """

    def rule(node: Node, inputs: tuple[Node, ...]) -> Node:
        if not isinstance(node.op.kernel, Scan):
            return like(node, inputs)
        step: Region = node.params["region"]
        params = {**node.params, "region": Region(optimize(step.graph), step.name)}
        return derived(node, node.op, inputs, params, node.type)

    return graph.rewrite(rule)


PASSES = (optimize_steps, widen, expand, split_sums, simplify, merge_common)


def optimize(graph: Graph) -> Graph:
    """Return a graph of primitive ops that computes the same results with less work.

    Nodes nobody needs vanish by themselves: a graph is what its results depend on.
    """
    for rule in PASSES:
        graph = rule(graph)
    graph.verify()
    return graph
