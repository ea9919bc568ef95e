"""Graph to graph: each pass says in its docstring what stands before and after."""

from ..graph.graph import Graph
from .cse import merge_common
from .expand import expand
from .scans import merge_scans, optimize_steps
from .simplify import simplify
from .split import split_sums
from .widen import widen

PASSES = (merge_scans, widen, expand, split_sums, simplify, merge_common)


def optimize(graph: Graph) -> Graph:
    """Return a graph of primitive ops that computes the same results with less work.

    Nodes nobody needs vanish by themselves: a graph is what its results depend on.
    """
    for rule in PASSES:
        graph = rule(graph)
    graph = optimize_steps(graph, optimize)
    graph.verify()
    return graph
