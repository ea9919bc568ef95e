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
from math import prod

from ...graph.graph import ALIAS, Graph, Node, derived, like
from ...graph.kinds import (
    After,
    Arrangement,
    Border,
    Elementwise,
    Host,
    Order,
    Pull,
    Reduction,
    View,
)
from ...graph.types import TensorType
from .cpu import host
from .filling import arrangements, tiled
from .layout import Layout, ordered, row_major, significant
from .parts import parts_of, suits, total
from .roots import base, is_leaf, keeps_axes

Tile = tuple[int, int]  # lanes of a vector, vectors


@dataclass(frozen=True)
class Layouts:
    """How values lie in memory.

    Attributes:
        wishes: what contractions asked for and got, by the id of their node.
        wanted: ids of the values that they read, which are stored.
        called: the nodes that the host computes as they are in the graph that was given, by the
            id of the node that now stands for each.
        parts: images of a tile, by the id of the node that sums each tile by itself.
    """

    wishes: dict[int, Arrangement] = field(default_factory=dict)
    wanted: frozenset[int] = frozenset()
    others: dict[int, Layout] = field(default_factory=dict)
    called: dict[int, Node] = field(default_factory=dict)
    parts: dict[int, int] = field(default_factory=dict)

    def of(self, node: Node) -> Layout:
        return self.others.get(node.id) or row_major(node.type.shape)


def arrange(graph: Graph) -> tuple[Graph, Layouts]:
    """Return the graph with copies where they are needed, and how its values lie."""
    return _Arranging(graph).run()


class _Arranging:
    def __init__(self, graph: Graph) -> None:
        self.graph = graph
        self.arrangements = arrangements(graph)
        self.wishes: dict[int, Arrangement] = {}
        self.orders: dict[int, Order] = {}
        self.tiles: dict[int, Tile] = {}
        self.borders: dict[int, tuple[Border, ...]] = {}
        self.wanted: set[int] = set()
        self.fixed: set[int] = set()
        self.copies: dict[tuple[int, Order], Node] = {}
        self.nodes: dict[int, Node] = {}
        self.called: dict[int, Node] = {}
        self.parts: dict[int, int] = {}

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
        return graph, Layouts(self.wishes, frozenset(self.wanted), others, self.called, self.parts)

    def _layout(self, node: Node, order: Order) -> Layout:
        lengths = row_major(node.type.shape).shape
        border = self.borders.get(node.id, ((0, 0),) * len(lengths))
        return ordered(node.type.shape, order, border, *self.tiles[node.id])

    def _let_lie(self, node: Node, wished: Order, tile: Tile | None = None) -> None:
        """Let a value lie in an order of the axes of ``node``, a view of it with other axes of
        length 1; in such tiles, if they are known."""
        source = _source(node)
        lanes = host().vector_bytes // node.type.dtype.bytes
        self.orders[source.id] = significant(node.type.shape, wished)
        self.tiles[source.id] = tile or (lanes, 1 if tiled(wished) else 2)

    def _seen_otherwise(self, node: Node, inputs: tuple[Node, ...]) -> tuple[Node, ...]:
        """The inputs of a node that looks at them row by row: the same, or copies of what is stored
        as it lies."""
        found = []
        for source in inputs:
            seen = base(source)
            if seen.id in self.orders and seen.id not in self.fixed:
                self.wanted.add(seen.id)
                source = derived(node, ALIAS, (source,), {}, source.type)
                seen = self.nodes[source.id] = source
            self.fixed.add(seen.id)
            found.append(source)
        return tuple(found)

    def _arranged(self, node: Node, inputs: tuple[Node, ...], in_rows: bool) -> Node:
        kernel = node.op.kernel
        if isinstance(kernel, Host) or (isinstance(kernel, View) and not keeps_axes(node)):
            inputs = self._seen_otherwise(node, inputs)
        if isinstance(kernel, Pull) and kernel.orders is not None and not in_rows:
            return self._pulled(node, inputs, *kernel.orders(_types(node), **node.params))
        wish = self.arrangements.get(node.id)
        if wish is None:
            if isinstance(kernel, (Elementwise, Pull)) and not in_rows:
                inputs = self._turned(inputs)
            new = like(node, inputs)
            if isinstance(kernel, (Elementwise, After, Pull, View)) and not in_rows:
                self._follow(new)
            elif isinstance(kernel, Reduction) and not in_rows:
                self._follow_sum(new)
            return new
        triples = zip(inputs, wish.inputs, wish.borders, strict=True)
        new = derived(node, node.op, tuple(self._laid(*t) for t in triples), node.params, node.type)
        self.nodes[new.id] = new
        tile = prod(self.tiles.get(_source(new.inputs[0]).id, ()))
        if tiled(wish.inputs[0]) and suits(new, wish, tile):
            return self._in_parts(new, wish, tile)
        self.wishes[new.id] = wish
        self._let_lie(new, wish.result)
        return derived(node, ALIAS, (new,), {}, node.type) if in_rows else new

    def _in_parts(self, node: Node, wish: Arrangement, tile: int) -> Node:
        parts, wish = parts_of(node, wish, tile)
        self.nodes[parts.id] = parts
        self.wishes[parts.id], self.parts[parts.id] = wish, tile
        return total(node, parts)

    def _pulled(
        self, node: Node, inputs: tuple[Node, ...], result: Order | None, *orders: Order | None
    ) -> Node:
        laid = tuple(
            x if order is None else self._laid(x, order, ((0, 0),) * len(x.type.shape))
            for x, order in zip(inputs, orders, strict=True)
        )
        new = like(node, laid)
        if result is not None:
            self._let_lie(new, result)
        return new

    def _laid(
        self, node: Node, wished: Order, border: Sequence[Border], tile: Tile | None = None
    ) -> Node:
        """Return ``node``, or a copy, that lies in this order with at least such a border."""
        shape = node.type.shape
        if _row_by_row(wished) and _source(node).id in self.fixed and not any(map(any, border)):
            return node
        order = significant(shape, wished)
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
        self._let_lie(node, wished, tile)
        self.wanted.add(source.id)
        had = self.borders.get(source.id, around)
        self.borders[source.id] = tuple(
            (max(a, c), max(b, d)) for (a, b), (c, d) in zip(had, around, strict=True)
        )
        return node

    def _turned(self, inputs: tuple[Node, ...]) -> tuple[Node, ...]:
        """The inputs of a node, where one that is seen row by row, such as the gradient of a
        flattened image, is copied into the order in which another one lies."""
        laid = (x for x in inputs if x.id in self.orders and x.id not in self.fixed)
        known = next(laid, None)
        if known is None:
            return inputs
        order, tile = self.orders[known.id], self.tiles[known.id]
        found = []
        for x in inputs:
            long = [axis for axis, n in enumerate(x.type.shape) if n != 1]
            if isinstance(_source(x).op.kernel, View) and len(long) == len(set(order)):
                wished = tuple(long[k] for k in order)
                x = self._laid(x, wished, ((0, 0),) * len(x.type.shape), tile)
            found.append(x)
        return tuple(found)

    def _follow(self, node: Node) -> None:
        """Let a value lie as the first of what it is computed from that lies out of order, in
        tiles of the same size whatever its type."""
        axes = len(row_major(node.type.shape).shape)
        for source in node.inputs:
            order = self.orders.get(source.id)
            if order is not None and len(set(order)) == axes and source.id not in self.fixed:
                self.orders[node.id], self.tiles[node.id] = order, self.tiles[source.id]
                return

    def _follow_sum(self, node: Node) -> None:
        """Let sums of what lies out of order lie as what is left of it."""
        source, dims = node.inputs[0], node.params["dim"]
        order = self.orders.get(source.id)
        if order is None or source.id in self.fixed or not node.params["keepdim"]:
            return
        long = [axis for axis, n in enumerate(source.type.shape) if n != 1]
        left = tuple(long[k] for k in order if long[k] not in dims)
        self._let_lie(node, left, self.tiles[source.id])


def _types(node: Node) -> tuple[TensorType, ...]:
    return tuple(i.type for i in node.inputs)


def _row_by_row(order: Order) -> bool:
    return order == tuple(range(len(order)))


def _source(node: Node) -> Node:
    """What a chain of views that differ in axes of length 1 only looks at."""
    while isinstance(node.op.kernel, View) and keeps_axes(node):
        node = node.inputs[0]
    return node
