"""Graph to graph: each pass says in its docstring what stands before and after."""

from functools import partial

from ..graph.graph import Graph
from .cse import merge_common
from .expand import expand
from .scans import merge_scans, optimize_steps
from .simplify import simplify
from .split import split_sums
from .widen import widen
from .winograd import fewer_products

PASSES = (merge_scans, widen, expand, split_sums, simplify, merge_common)


def optimize(graph: Graph, fewer: bool = False) -> Graph:
    """Return a graph of primitive ops that computes the same results with less work.

    Nodes nobody needs vanish by themselves: a graph is what its results depend on.

    Args:
        fewer: whether convolutions may be computed with fewer products, less exactly.
    """
    for rule in (*((fewer_products,) if fewer else ()), *PASSES):
        graph = rule(graph)
    graph = optimize_steps(graph, partial(optimize, fewer=fewer))
    graph.verify()
    return graph
