"""Recipes, worked out once for all roots that are computed alike.

    y = relu(conv(x, v) + a)    z = relu(conv(y, w) + b)      one recipe, with other memory

A recipe loads from numbered sources. Where they lie is known later, when the loops are written.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Mapping
from dataclasses import dataclass, field, replace

from ...graph.graph import Node
from .arrange import Layouts
from .ir import Acc, Accum, Buffer, Call, Const, Expr, Index, Iota, Load
from .recipe import Evaluator, Recipe, in_type_of, make
from .roots import is_leaf, is_number
from .vocabulary import guarded

_NUMBERED = -2  # the slot of sources that lie nowhere yet


def number_of(buffer: Buffer) -> int:
    """Return the number of the source that a recipe loads from."""
    return buffer.offset


class Cookbook:
    """The recipes of a graph.

    Args:
        stored: ids of the nodes in memory.
        layouts: how they lie there.
    """

    def __init__(self, stored: set[int], layouts: Layouts) -> None:
        self.stored, self.layouts = stored, layouts
        self.known: dict[Hashable, Recipe] = {}

    def recipe(self, root: Node) -> Recipe:
        """Return the recipe of ``root``."""
        reader = _Reader(self, root)
        known = self.known.get(reader.key)
        if known is None:
            recipe = make(root, Evaluator(self.stored, self.layouts, reader.buffer))
            recipe.sources = tuple(reader.sources)
            self.known[reader.key] = recipe
            return recipe
        of = dict(zip((n.id for n in known.sources), reader.sources, strict=True))
        reads = [replace(r, source=of.get(r.source.id, r.source)) for r in known.reads]
        return replace(known, root=root, reads=reads, sources=tuple(reader.sources))


class _Reader:
    """Reads what a root is computed from, down to what is stored."""

    def __init__(self, book: Cookbook, root: Node) -> None:
        self.book, self.root = book, root
        self.sources: list[Node] = []
        self.numbers: dict[int, int] = {}  # of nodes, by id
        self.said: list[Hashable] = []  # about each
        self.number(root)
        layouts = book.layouts
        asked = repr(layouts.wishes.get(root.id)), layouts.parts.get(root.id)
        self.key: Hashable = (*self.said, layouts.of(root), *asked)

    def number(self, node: Node) -> int:
        if node.id not in self.numbers:
            said = self._said(node)
            self.numbers[node.id] = len(self.said)
            self.said.append(said)
        return self.numbers[node.id]

    def _said(self, node: Node) -> Hashable:
        if is_number(node):
            assert node.data is not None
            return node.type, repr(node.data.item())
        if node is not self.root and (is_leaf(node) or node.id in self.book.stored):
            self.sources.append(node)
            return node.type, self.book.layouts.of(node)
        inputs = tuple(self.number(i) for i in node.inputs)
        return id(node.op), node.type, repr(node.params), inputs

    def buffer(self, node: Node) -> Buffer:
        return Buffer("", node.type.dtype, node.type.size, _NUMBERED, self.sources.index(node))


@dataclass
class Placement:
    """Writes the expressions of a recipe with memory in the place of numbered sources.

    Attributes:
        buffers: of the sources, in order.
        computed: for a source that the same loops compute, by number, where in memory the loops
            stand, and the element there, which is not loaded.
    """

    buffers: tuple[Buffer, ...]
    computed: Mapping[int, tuple[Index, Expr]]
    done: dict[int, Expr] = field(default_factory=dict)

    def expr(self, expr: Expr) -> Expr:
        known = self.done.get(id(expr))
        if known is None:
            known = self.done[id(expr)] = self._placed(expr)
        return known

    def _index(self, index: Index) -> Index:
        if not index.loaded:
            return index
        loaded = tuple([(self.expr(e), c) for e, c in index.loaded])
        return Index(index.terms, index.constant, loaded)

    def _placed(self, expr: Expr) -> Expr:
        if isinstance(expr, Call):
            return Call(expr.op, tuple([self.expr(a) for a in expr.args]), expr.dtype)
        if isinstance(expr, Load):
            return self._load(expr, number_of(expr.buffer))
        if isinstance(expr, Iota) and expr.index.loaded:
            return Iota(self._index(expr.index), expr.dtype)
        return expr

    def _load(self, load: Load, source: int) -> Expr:
        where = None if load.where is None else self.expr(load.where)
        at, element = self.computed.get(source, (None, None))
        if element is None or at != load.index:
            return Load(self.buffers[source], self._index(load.index), where, load.other)
        if where is None:
            return element
        chosen = where, guarded(element, where), Const(load.other, element.dtype)
        return Call("where", chosen, element.dtype)


def placed(
    recipe: Recipe,
    buffer_of: Callable[[Node], Buffer],
    computed: Mapping[int, tuple[Index, Expr]],
) -> tuple[Accum | None, Expr]:
    """Return the sum of a recipe, if it is one, and what its loops store.

    Args:
        buffer_of: the memory of a stored node.
        computed: see `Placement`, here by the id of the source.
    """
    numbers = {k: computed[n.id] for k, n in enumerate(recipe.sources) if n.id in computed}
    buffers = tuple(map(buffer_of, recipe.sources))
    placement = Placement(buffers, numbers)
    if recipe.accum is None:
        assert recipe.expr is not None
        return None, placement.expr(recipe.expr)
    name, combine = f"{recipe.root.op.name}{recipe.root.id}", recipe.accum.combine
    accum = Accum(name, combine, placement.expr(recipe.accum.expr))
    return accum, in_type_of(recipe.root, Acc(name, accum.dtype))
