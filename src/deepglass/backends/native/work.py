"""What a nest has to do per point of its axes, as the cost model sees it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace

from ...graph.types import bool_
from . import ir
from .nodes import IndexNode, Node, NodeTable

# issue slots of an operation beside an addition's 1
_HEAVY = {"exp": 14, "expm1": 15, "log": 22, "log1p": 28, "tanh": 30, "sigmoid": 22, "sin": 22,
          "cos": 22, "erf": 34, "pow": 110, "sqrt": 10, "rsqrt": 16, "div": 6, "floordiv": 6,
          "mod": 6}  # fmt: skip
_FREE = frozenset({"const", "acc"})
_LONG = 14  # slots of an expression whose steps wait for one another


@dataclass(frozen=True)
class Item:
    """Instructions that are needed once per point of the axes they depend on: a load, a store, or
    all arithmetic with the same axes.

    Attributes:
        axes: numbers of those axes.
        weight: issue slots.
        steps: for a load or store, how far its index moves along each axis.
        scattered: axes along which integers from memory move the index.
        patterned: axes along which other integers do, such as ``i // 2``.
        element: bytes of an element in memory; 0 for arithmetic.
    """

    axes: frozenset[int]
    weight: float
    steps: tuple[tuple[int, int], ...] = ()
    scattered: frozenset[int] = frozenset()
    patterned: frozenset[int] = frozenset()
    element: int = 0

    def step(self, axis: int) -> int:
        return next((c for a, c in self.steps if a == axis), 0)

    def slots(self, vector: int, lanes: int) -> float:
        """Load or store slots of one vector of points, or of one scalar."""
        if vector in self.scattered:
            return 3.0 * lanes
        if vector in self.patterned:
            return 3.0
        step = abs(self.step(vector))
        if step == 0:
            return 0.9 * self.weight
        if step == 1:
            return self.weight * (1.0 if self._aligned(vector) else 1.5)
        return step + 1.0 if step <= 4 else 3.0 * lanes

    def _aligned(self, vector: int) -> bool:
        return all(c * self.element % 64 == 0 for a, c in self.steps if a != vector)


@dataclass(frozen=True)
class Work:
    """The work of a nest.

    Attributes:
        body: per point of all axes.
        ending: to evaluate the stores' expressions.
        stores: the stores themselves.
        choices: axes whose position alone decides a ``where`` or a ``choose``, or whether a load
            that it does not move reads at all: in a block of them, each point computes only what it
            chooses, and what points choose alike once.
        apart: no memory is both loaded and stored to, or joined.
        multiplies: every accumulator adds a product, which takes no instruction of its own.
        narrowest: bytes of the narrowest type that is computed with, 4 at least.
    """

    body: tuple[Item, ...]
    ending: tuple[Item, ...]
    stores: tuple[Item, ...]
    choices: frozenset[int]
    apart: bool
    multiplies: bool
    narrowest: int

    @property
    def is_long(self) -> bool:
        """Whether an expression to store takes many steps."""
        return sum(i.weight for i in self.ending) >= _LONG


def work_of(nest: ir.Nest, chunk: ir.Axis) -> Work:
    """Count the work of a nest."""
    axes = nest.axes + nest.over
    table = NodeTable(axes if chunk in axes else (*axes, chunk), frozenset())
    sums = [table.node(a.expr) for a in nest.accums]
    counted = [s for s in nest.stores if not s.aside]
    ends = [table.node(s.expr) for s in counted]
    multiplies = bool(sums) and all(n.kind == "mul" and n.dtype.is_float for n in sums)
    fused = frozenset(n.number for n in sums) if multiplies else frozenset()
    stores = tuple(_store(table.index(s.index), s) for s in counted)
    nodes = reachable(sums + ends)
    deciding = {n.number: decided for n in nodes if (decided := _deciding(n))}
    return Work(
        _items(sums, deciding, fused),
        _items(ends, deciding, ending=True),
        stores,
        frozenset().union(*deciding.values()),
        _apart(nest, nodes),
        multiplies,
        _narrowest(nest, counted, nodes),
    )


def _apart(nest: ir.Nest, nodes: list[Node]) -> bool:
    written = {s.buffer.home for s in nest.stores}
    loaded = (n.buffer for n in nodes if n.buffer is not None)
    return not any(s.combine for s in nest.stores) and all(b.home not in written for b in loaded)


def _store(index: IndexNode, store: ir.Store) -> Item:
    loaded = frozenset(a for n, _ in index.loaded for a in n.axes)
    axes = loaded.union(a for a, _ in index.terms)
    weight = 2.0 if store.combine else 1.0
    return Item(axes, weight, index.terms, scattered=loaded, element=store.buffer.dtype.bytes)


def _load(node: Node, index: IndexNode, element: int) -> Item:
    read: set[int] = set()
    made: set[int] = set()
    for part, _ in index.loaded:
        from_memory = any(n.kind == "load" for n in reachable([part]))
        (read if from_memory else made).update(part.axes)
    return Item(
        frozenset(node.axes),
        1.0,
        index.terms,
        scattered=frozenset(read),
        patterned=frozenset(made - read),
        element=element,
    )


def reachable(roots: Iterable[Node]) -> list[Node]:
    """Every node the roots need, once."""
    found: dict[int, Node] = {}
    stack = list(roots)
    while stack:
        node = stack.pop()
        if node.number not in found:
            found[node.number] = node
            stack += node.args
            if node.index:
                stack += [n for n, _ in node.index.loaded]
    return list(found.values())


def _deciding(node: Node) -> frozenset[int]:
    """The axes that decide a choice, if it depends on positions only; of a load's those that do
    not move it."""
    if node.kind not in ("where", "choose", "load") or not node.args:
        return frozenset()
    if any(n.kind in ("load", "acc") for n in reachable(node.args[:1])):
        return frozenset()
    moving: set[int] = set()
    if node.index is not None:
        moving.update(a for a, _ in node.index.terms)
        moving.update(a for n, _ in node.index.loaded for a in n.axes)
    return frozenset(node.args[0].axes) - moving


def _items(
    roots: list[Node],
    deciding: dict[int, frozenset[int]],
    fused: frozenset[int] = frozenset(),
    ending: bool = False,
) -> tuple[Item, ...]:
    items: list[Item] = []
    weights: dict[frozenset[int], float] = {}
    for node in reachable(roots):
        axes = frozenset(node.axes)
        decided = deciding.get(node.number, frozenset())
        chooses = decided and node.kind in ("where", "choose")
        if node.kind == "load" and node.index and node.buffer:
            item = _load(node, node.index, node.buffer.dtype.bytes)
            items.append(replace(item, axes=item.axes - decided) if ending and decided else item)
        elif node.kind not in _FREE and node.number not in fused and axes and not chooses:
            weights[axes] = weights.get(axes, 0.0) + _weight(node)
    return (*items, *(Item(axes, weight) for axes, weight in weights.items()))


def _weight(node: Node) -> float:
    """Positions and conditions are mostly constants, or hoisted out of the inner loops."""
    if node.dtype.is_float:
        return float(_HEAVY.get(node.kind, 1))
    return 0.1 if node.kind == "iota" or (node.dtype is bool_ and node.kind != "and") else 0.5


def _narrowest(nest: ir.Nest, stores: list[ir.Store], nodes: list[Node]) -> int:
    sizes = [s.buffer.dtype.bytes for s in stores]
    sizes += [a.dtype.bytes for a in nest.accums]
    sizes += [n.dtype.bytes for n in nodes if n.dtype.is_float]
    return max(4, min(sizes, default=4))
