"""Sums over the batch, one sample at a time."""

from __future__ import annotations

from ..graph.graph import Graph, Node, derived, like
from ..graph.op import REGISTRY


def split_sums(graph: Graph) -> Graph:
    """Sum each sample by itself before summing over the batch.

    y = sum(x, (0, 2, 3))    -->    s = sum(x, (2, 3), keepdim); y = sum(s, 0)

    A backend that gives every thread samples of its own then needs to wait only for the
    short second sum, whose order does not depend on the number of threads; and partial sums
    lose less to rounding than one long one.
    """
    return graph.rewrite(_split)


def _split(node: Node, inputs: tuple[Node, ...]) -> Node:
    node = like(node, inputs)
    if node.op.name != "sum":
        return node
    x, dim, keepdim = node.inputs[0], node.params["dim"], node.params["keepdim"]
    inner = tuple(d for d in dim if d != 0)
    if 0 not in dim or not inner or all(x.type.shape[d] == 1 for d in inner):
        return node
    total = REGISTRY["sum"]
    per_sample = {"dim": inner, "keepdim": True}
    first = derived(node, total, (x,), per_sample, total.infer(x.type, **per_sample))
    over_batch = {"dim": (0,), "keepdim": True}
    second = derived(node, total, (first,), over_batch, total.infer(first.type, **over_batch))
    if keepdim:
        return second
    shape = {"shape": node.type.shape}
    return derived(node, REGISTRY["reshape"], (second,), shape, node.type)
