"""What is repeated: one scan in the place of two, and steps optimized as graphs of their own."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ..graph.graph import ALIAS, Graph, Node, ancestors, derived, like
from ..graph.kinds import Scan, View
from ..graph.op import REGISTRY, Op
from ..graph.region import Region


def merge_scans(graph: Graph) -> Graph:
    """Take the carries of a scan from one that carries more, where there is one.

    y = scan(h, x); z = scan([h, 0], x)    -->    z = scan([h, 0], x); y = the first part of z
    """
    scans = [n for n in graph.nodes() if isinstance(n.op.kernel, Scan)]
    longer = {s.id: other for s in scans for other in scans if _extends(other, s)}
    if not longer:
        return graph
    new: dict[int, Node] = {}
    for node in ancestors([*longer.values(), *graph.results]):
        if node.id in longer:
            new[node.id] = _first_part(new[longer[node.id].id], node)
        else:
            new[node.id] = like(node, tuple(new[i.id] for i in node.inputs))
    return graph.with_results([new[n.id] for n in graph.results])


def _extends(other: Node, scan: Node) -> bool:
    """Whether ``other`` repeats the step of ``scan`` on the same, and carries more."""
    a, b, rows = scan.params, other.params, scan.params["rows"]
    return (
        b["extends"] == a["region"].name
        and [b[k] for k in ("rows", "reverse")] == [rows, a["reverse"]]
        and scan.inputs[1 : rows + 1] == other.inputs[1 : rows + 1]
        and set(scan.inputs[rows + 1 :]) == set(other.inputs[rows + 1 :])
        and _source(scan.inputs[0]) in _beginnings(other.inputs[0])
        and other.type.dtype is scan.type.dtype
    )


def _beginnings(init: Node) -> tuple[Node, ...]:
    """What a carry may begin with: itself, or the first of what was put together."""
    source = _source(init)
    return (source, _source(source.inputs[0])) if source.op.name == "concat" else (source,)


def _source(node: Node) -> Node:
    while isinstance(node.op.kernel, View) or node.op is ALIAS:
        node = node.inputs[0]
    return node


def _first_part(longer: Node, scan: Node) -> Node:
    """The result of ``scan`` out of the carries of one that carries more."""

    def made(op: Op, source: Node, **params: Any) -> Node:
        return derived(scan, op, (source,), params, op.infer(source.type, **params))

    length, shape = scan.params["length"], scan.inputs[0].type.shape
    ranges = [(0, n, 1) for n in longer.type.shape]
    if longer.type.shape[:-1] != (length, *shape)[:-1]:  # flat, one after another
        ranges[-1] = (0, scan.inputs[0].type.size, 1)
    elif shape:
        ranges[-1] = (0, shape[-1], 1)
    if scan.params["last"]:
        at = 0 if scan.params["reverse"] else length - 1
        ranges[0] = (at, at + 1, 1)
    part = made(REGISTRY["slice"], longer, ranges=tuple(ranges))
    return made(REGISTRY["reshape"], part, shape=scan.type.shape)


def optimize_steps(graph: Graph, optimize: Callable[[Graph], Graph]) -> Graph:
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
