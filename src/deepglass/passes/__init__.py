"""Graph to graph: each pass says in its docstring what stands before and after."""

from functools import partial

from ..graph.graph import Graph
from .cse import merge_common
from .expand import expand
from .joins import sink_joins
from .round import round_factors
from .scans import merge_scans, optimize_steps
from .simplify import simplify
from .split import split_sums
from .widen import widen
from .winograd import fewer_products

PRECISIONS = {"float32": (), "bf16": (round_factors,)}


def optimize(graph: Graph, precision: str = "float32", fewer: bool = False) -> Graph:
    """Return a graph of primitive ops that computes the same results with less work.

    Nodes nobody needs vanish by themselves: a graph is what its results depend on.

    Args:
        precision: of what products are made of; one of `PRECISIONS`.
        fewer: whether convolutions may be computed with fewer products, less exactly.
    """
    rounded = PRECISIONS[precision]
    tiled = (fewer_products, expand) if fewer else ()
    forms = (sink_joins, split_sums, simplify, merge_common)
    for rule in (merge_scans, widen, expand, *rounded, *tiled, *forms):
        graph = rule(graph)
    graph = optimize_steps(graph, partial(optimize, precision=precision, fewer=fewer))
    graph.verify()
    return graph
