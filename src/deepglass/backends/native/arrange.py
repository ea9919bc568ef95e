"""Which values lie in memory in another order than row by row.

Contractions ask (see `graph.kinds.Arrangement`). A value that is computed here is stored as it is
wanted. One that is given, or that somebody needs row by row, or that two want in different orders,
is copied:

    conv(x, w)    -->    conv(x, alias(w))       alias(w) lies in panels

An order spreads to all that is computed from such values element by element or by windows, so
that nothing is turned around between one convolution and the next.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from ...graph.graph import ALIAS, Graph, Node, derived, like
from ...graph.kinds import (
    After,
    Arrangement,
    Border,
    Contraction,
    Elementwise,
    Host,
    Order,
    Pull,
    View,
)
from ...graph.types import TensorType
from .cpu import host
from .layout import Layout, ordered, row_major, significant
from .roots import base, is_leaf, same_without_ones


@dataclass(frozen=True)
class Layouts:
    """How values lie in memory.

    Attributes:
        wishes: what contractions asked for and got, by the id of their node.
        wanted: ids of the values that they read, which are stored.
        called: the nodes that the host computes as they are in the graph that was given, by the
            id of the node that now stands for each.
    """

    wishes: dict[int, Arrangement] = field(default_factory=dict)
    wanted: frozenset[int] = frozenset()
    others: dict[int, Layout] = field(default_factory=dict)
    called: dict[int, Node] = field(default_factory=dict)

    def of(self, node: Node) -> Layout:
        return self.others.get(node.id) or row_major(node.type.shape)


def arrange(graph: Graph) -> tuple[Graph, Layouts]:
    """Return the graph with copies where they are needed, and how its values lie."""
    return _Arranging(graph).run()


class _Arranging:
    def __init__(self, graph: Graph) -> None:
        self.graph = graph
        self.wishes: dict[int, Arrangement] = {}
        self.orders: dict[int, Order] = {}
        self.borders: dict[int, tuple[Border, ...]] = {}
        self.wanted: set[int] = set()
        self.fixed: set[int] = set()
        self.copies: dict[tuple[int, Order], Node] = {}
        self.nodes: dict[int, Node] = {}
        self.called: dict[int, Node] = {}

    def run(self) -> tuple[Graph, Layouts]:
        rows = {n.id for n in self.graph.results}

        def rule(node: Node, inputs: tuple[Node, ...]) -> Node:
            new = self._arranged(node, inputs, node.id in rows)
            self.nodes[new.id] = new
            if isinstance(node.op.kernel, Host):
                self.called[new.id] = node
            if node.id in rows or is_leaf(node):
                self.fixed.add(new.id)
            return new

        graph = self.graph.rewrite(rule)
        others = {
            id: self._layout(self.nodes[id], order)
            for id, order in self.orders.items()
            if id not in self.fixed
        }
        return graph, Layouts(self.wishes, frozenset(self.wanted), others, self.called)

    def _layout(self, node: Node, order: Order) -> Layout:
        lengths = row_major(node.type.shape).shape
        border = self.borders.get(node.id, ((0, 0),) * len(lengths))
        lanes = host().vector_bytes // node.type.dtype.bytes
        return ordered(node.type.shape, order, border, lanes)

    def _seen_otherwise(self, node: Node, inputs: tuple[Node, ...]) -> tuple[Node, ...]:
        """The inputs of a node that looks at them row by row: the same, or copies."""
        found = []
        for source in inputs:
            seen = base(source)
            if seen.id in self.orders and seen.id not in self.fixed:
                source = derived(node, ALIAS, (source,), {}, source.type)
                seen = self.nodes[source.id] = source
            self.fixed.add(seen.id)
            found.append(source)
        return tuple(found)

    def _arranged(self, node: Node, inputs: tuple[Node, ...], in_rows: bool) -> Node:
        kernel = node.op.kernel
        if isinstance(kernel, Host) or (isinstance(kernel, View) and not _keeps_axes(node)):
            inputs = self._seen_otherwise(node, inputs)
        if isinstance(kernel, Pull) and kernel.orders is not None and not in_rows:
            return self._pulled(node, inputs, *kernel.orders(_types(node), **node.params))
        wish = None
        if isinstance(kernel, Contraction) and kernel.arrange is not None:
            wish = kernel.arrange(_types(node), **node.params)
        if wish is None:
            if isinstance(kernel, (Elementwise, Pull)) and not in_rows:
                inputs = self._turned(inputs)
            new = like(node, inputs)
            if isinstance(kernel, (Elementwise, After, Pull, View)) and not in_rows:
                self._follow(new)
            return new
        triples = zip(inputs, wish.inputs, wish.borders, strict=True)
        new = derived(node, node.op, tuple(self._laid(*t) for t in triples), node.params, node.type)
        self.nodes[new.id] = new
        self.wishes[new.id] = wish
        self.orders[new.id] = significant(new.type.shape, wish.result)
        return derived(node, ALIAS, (new,), {}, node.type) if in_rows else new

    def _pulled(
        self, node: Node, inputs: tuple[Node, ...], result: Order | None, *orders: Order | None
    ) -> Node:
        laid = tuple(
            x if order is None else self._laid(x, order, ((0, 0),) * len(x.type.shape))
            for x, order in zip(inputs, orders, strict=True)
        )
        new = like(node, laid)
        if result is not None:
            self.orders[new.id] = significant(new.type.shape, result)
        return new

    def _laid(self, node: Node, order: Order, border: Sequence[Border]) -> Node:
        """Return ``node``, or a copy, that lies in this order with at least such a border."""
        shape = node.type.shape
        order = significant(shape, order)
        around = tuple(b for n, b in zip(shape, border, strict=True) if n != 1)
        source = _source(node)
        known = self.orders.get(source.id)
        asked = source.id in self.wanted or source.id in self.wishes
        if (
            source.id in self.fixed
            or isinstance(source.op.kernel, View)
            or (asked and known != order)
        ):
            key = (source.id, order)
            if key not in self.copies:
                self.copies[key] = derived(node, ALIAS, (node,), {}, node.type)
            node = source = self.copies[key]
            self.nodes[node.id] = node
        self.orders[source.id] = order
        self.wanted.add(source.id)
        had = self.borders.get(source.id, around)
        self.borders[source.id] = tuple(
            (max(a, c), max(b, d)) for (a, b), (c, d) in zip(had, around, strict=True)
        )
        return node

    def _turned(self, inputs: tuple[Node, ...]) -> tuple[Node, ...]:
        """The inputs of a node, where one that is seen row by row, such as the gradient of a
        flattened image, is copied into the order in which another one lies."""
        known = [self.orders[x.id] for x in inputs if x.id in self.orders.keys() - self.fixed]
        if not known:
            return inputs
        found = []
        for x in inputs:
            long = [axis for axis, n in enumerate(x.type.shape) if n != 1]
            if isinstance(_source(x).op.kernel, View) and len(long) == len(set(known[0])):
                order = tuple(long[k] for k in known[0])
                x = self._laid(x, order, ((0, 0),) * len(x.type.shape))
            found.append(x)
        return tuple(found)

    def _follow(self, node: Node) -> None:
        """Let a value lie as the first of what it is computed from that lies out of order."""
        axes = len(row_major(node.type.shape).shape)
        for source in node.inputs:
            order = self.orders.get(source.id)
            if order is not None and len(set(order)) == axes and source.id not in self.fixed:
                self.orders[node.id] = order
                return


def _types(node: Node) -> tuple[TensorType, ...]:
    return tuple(i.type for i in node.inputs)


def _source(node: Node) -> Node:
    """What a chain of views that differ in axes of length 1 only looks at."""
    while isinstance(node.op.kernel, View) and _keeps_axes(node):
        node = node.inputs[0]
    return node


def _keeps_axes(view: Node) -> bool:
    """Whether a view differs from its source in axes of length 1 only."""
    return same_without_ones(view.inputs[0].type.shape, view.type.shape)
