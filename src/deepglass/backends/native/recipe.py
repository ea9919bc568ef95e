"""How the elements of one root are computed: loops, sums and the expression to store.

Evaluation is pulled: to find an element of a value at some index, its op's rule says which
elements of its inputs it needs, and so on down to what is stored in memory. Movements
thereby become index arithmetic, and elementwise chains one expression.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from math import prod
from typing import Any

from ...errors import BackendError
from ...graph.graph import Node
from ...graph.kinds import (
    After,
    Border,
    Contraction,
    Elementwise,
    Host,
    Pull,
    Reduction,
    Scatter,
    Section,
    View,
)
from ...graph.types import Shape, bool_, int32
from .arrange import Layouts
from .ir import Acc, Accum, Axis, Buffer, Call, Const, Expr, Index, Load, Span
from .layout import Indices, Layout, in_pieces, row_major, significant, with_ones, without_ones
from .roots import base, is_leaf, is_number, same_without_ones
from .spans import spans_of
from .vocabulary import LoopVocabulary, Scalar, add_index, as_expr, as_index, scale_index

_MOST_COUNTED = 2**31 - 1  # truth values of a sum that int32 counts, in as many lanes as floats
PIECE = 192 * 1024  # bytes that a piece of a long sum reads, less than the second cache holds


@dataclass(frozen=True)
class Read:
    """A stored value that a root looks at.

    Attributes:
        source: the stored node.
        layout: how it lies in memory.
        index: where, in the source's own shape without axes of length 1; None if unknown.
        row: where along its rows, the outermost axis in memory; None if unknown.
        position: where in memory; None if unknown.
    """

    source: Node
    layout: Layout
    index: Indices | None
    row: Index | None
    position: Index | None


@dataclass
class Recipe:
    """The loops of one root and what it reads.

    Attributes:
        rows: the axis along which the loops may be shared out; None if there is none.
        row: where the loops stand along it.
        tile: rows per step of the first loop.
        spans: of the sum.
        outside: so many of the first loops of ``over`` visit pieces of the sum, each of which can
            be added to what is in memory.
        sources: the stored values it loads from, for a recipe of a `cookbook.Cookbook`.
    """

    root: Node
    axes: tuple[Axis, ...]
    over: tuple[Axis, ...] = ()
    accum: Accum | None = None
    expr: Expr | None = None
    rows: Axis | None = None
    row: Index | None = None
    tile: int = 1
    outside: int = 0
    spans: tuple[Span, ...] = ()
    reads: list[Read] = field(default_factory=list)
    sources: tuple[Node, ...] = ()


def visited(shape: Shape, letter: str) -> tuple[tuple[Axis, ...], Indices]:
    """Return loops over ``shape``, row by row, and the index of the element they stand at."""
    layout = row_major(shape)
    return layout.axes(letter), with_ones(shape, layout.at(letter))


class Evaluator:
    """Turns nodes at an index into expressions.

    Args:
        stored: ids of the nodes in memory.
        layouts: how they lie there.
        buffer_of: the memory of a stored node.
    """

    def __init__(
        self, stored: set[int], layouts: Layouts, buffer_of: Callable[[Node], Buffer]
    ) -> None:
        self.b = LoopVocabulary()
        self.stored = stored
        self.layouts = layouts
        self.buffer_of = buffer_of
        self.known: dict[tuple[int, Indices], Scalar] = {}  # by id of the node, and index
        self.reads: list[Read] = []

    def value(self, node: Node, index: Sequence[Scalar]) -> Scalar:
        """Return the element of ``node`` at ``index``."""
        at = tuple(Index() if n == 1 else as_index(i)
                   for i, n in zip(index, node.type.shape, strict=True))  # fmt: skip
        key = (node.id, at)
        known = self.known.get(key)
        if known is None:
            known = self.known[key] = self._find(node, at)
        return known

    def _find(self, node: Node, at: Indices) -> Scalar:
        if is_number(node):
            assert node.data is not None
            return Const(node.data.reshape(()).item(), node.type.dtype)
        if is_leaf(node) or node.id in self.stored:
            return self._load(node, node.type.shape, at)
        return self.compute(node, at)

    def compute(self, node: Node, at: Indices) -> Scalar:
        """Return the element from the node's own rule, even if the node is stored."""
        kernel = node.op.kernel
        if isinstance(kernel, Elementwise):
            operands: list[Any] = [self.value(i, at) for i in node.inputs] or [at]
            element: Scalar = kernel.rule(self.b, *operands, **node.params)
            return element
        if isinstance(kernel, View):
            return self._view(node, at)
        if isinstance(kernel, After):
            self._wait_for(node, at)
            return self.value(node.inputs[0], at)
        if isinstance(kernel, Pull):
            reads = self.readers(node)
            element = kernel.rule(self.b, at, *reads, types=_types(node), **node.params)
            return element
        raise BackendError(f"native: {node.op.name} is computed by loops of its own; it was not.")

    def _wait_for(self, after: Node, at: Indices) -> None:
        """Note what the other inputs are computed from as read: of an input that has as many rows,
        the row of ``at``, of others all."""
        first = len(self.reads)
        for node in after.inputs[1:]:
            shape, index = node.type.shape, visited(node.type.shape, "j")[1]
            if shape[:1] == after.type.shape[:1]:
                index = (*at[:1], *index[1:])
            self.value(node, index)
        waited = [replace(r, index=None) for r in self.reads[first:] if not is_leaf(r.source)]
        self.reads[first:] = waited

    def everywhere(self, node: Node) -> Read:
        """A read of the whole of a stored node."""
        return Read(node, self.layouts.of(node), None, None, None)

    def readers(self, node: Node) -> list[Callable[[Sequence[Scalar]], Scalar]]:
        """Return a function per input that reads it at any index."""
        return [partial(self._checked, i) for i in node.inputs]

    def bordered_readers(
        self, node: Node, borders: Sequence[Sequence[Border]]
    ) -> list[Callable[[Sequence[Scalar]], Scalar]]:
        """The same where indices count from the first zero of a border, which may be read."""
        return [
            partial(self._from_border, i, border)
            for i, border in zip(node.inputs, borders, strict=True)
        ]

    def _from_border(self, node: Node, border: Sequence[Border], index: Sequence[Scalar]) -> Scalar:
        before = [Index(constant=b) for b, _ in border]
        return self.value(node, [self.b.sub(i, b) for i, b in zip(index, before, strict=True)])

    def _checked(self, node: Node, index: Sequence[Scalar]) -> Scalar:
        """Read where an index from memory may point: outside, the value is NaN (or 0)."""
        tests: list[Scalar] = []
        for i, n in zip(index, node.type.shape, strict=True):
            if loads(i):
                at = as_index(i)
                tests += [self.b.ge(at, Index()), self.b.lt(at, Index(constant=n))]
        if not tests:
            return self.value(node, index)
        inside = tests[0]
        for test in tests[1:]:
            inside = self.b.logical_and(inside, test)
        missing = float("nan") if node.type.dtype.is_float else 0
        return self.b.guard(inside, lambda: self.value(node, index), missing)

    def _view(self, node: Node, at: Indices) -> Scalar:
        source = node.inputs[0]
        if same_without_ones(source.type.shape, node.type.shape):
            rest = iter(without_ones(node.type.shape, at))
            return self.value(
                source, [Index() if n == 1 else next(rest) for n in source.type.shape]
            )
        stored = base(node)
        if is_number(stored):
            return self.value(stored, [Index()] * len(stored.type.shape))
        return self._load(stored, node.type.shape, at)

    def _load(self, node: Node, shape: Shape, at: Indices) -> Load:
        """Load from ``node``, seen under ``shape``."""
        layout, inner = self.layouts.of(node), without_ones(shape, at)
        same = same_without_ones(node.type.shape, shape)
        if not same:  # seen under another shape, it lies row by row
            seen = row_major(shape)
            position, same_rows = seen.position(inner), seen.shape[:1] == layout.shape[:1]
            row = seen.row(inner) if same_rows else None
            self.reads.append(Read(node, layout, None, row, position))
        else:
            position = layout.position(inner)
            self.reads.append(Read(node, layout, inner, layout.row(inner), position))
        return Load(self.buffer_of(node), position)


def loads(x: Scalar) -> bool:
    """Whether finding ``x`` reads memory."""
    if isinstance(x, Index) and not x.loaded:
        return False
    seen: set[int] = set()
    stack: list[Scalar] = [x]
    while stack:
        e = stack.pop()
        if isinstance(e, Load):
            return True
        if id(e) in seen or isinstance(e, (Const, Acc)):
            continue
        seen.add(id(e))
        if isinstance(e, Call):
            stack.extend(e.args)
        else:
            stack.extend(part for part, _ in as_index(e).loaded)
    return False


def _types(node: Node) -> tuple[Any, ...]:
    return tuple(i.type for i in node.inputs)


def make(root: Node, evaluator: Evaluator, section: Section | None = None) -> Recipe:
    """Return the recipe of ``root``, or of a section of it, of axes longer than 1."""
    kernel, shape = root.op.kernel, root.type.shape
    layout = evaluator.layouts.of(root)
    places = section.places if section else ()
    axes, at = layout.axes("i", places), with_ones(shape, layout.at("i", places))
    if isinstance(kernel, Reduction):
        recipe = _reduction(root, axes, at, evaluator)
    elif isinstance(kernel, Contraction):
        recipe = _contraction(root, axes, at, evaluator, section)
    elif isinstance(kernel, Scatter):
        recipe = Recipe(root, axes, expr=as_expr(evaluator.value(root.inputs[0], at)))
        for added in root.inputs[1:]:  # read by the loops that combine; noted here
            evaluator.value(added, visited(added.type.shape, "j")[1])
    elif isinstance(kernel, Host):
        recipe = Recipe(root, axes)
        evaluator.reads += [evaluator.everywhere(base(i)) for i in root.inputs]
    else:
        recipe = Recipe(root, axes, expr=as_expr(evaluator.compute(root, at)))
    if recipe.accum is not None and not recipe.over:
        recipe.expr, recipe.accum = _of_one(recipe.accum), None
    if recipe.rows is None:
        recipe.rows, recipe.tile = layout.rows, layout.tile
        recipe.row = layout.row(layout.at("i", places))
    recipe.reads = list(evaluator.reads)
    return recipe


def _contraction(
    root: Node,
    axes: tuple[Axis, ...],
    at: Indices,
    evaluator: Evaluator,
    section: Section | None,
) -> Recipe:
    kernel, types = root.op.kernel, _types(root)
    assert isinstance(kernel, Contraction)
    wish = evaluator.layouts.wishes.get(root.id)
    params = wish.params if wish else root.params
    readers = evaluator.bordered_readers(root, wish.borders) if wish else evaluator.readers(root)
    extents = section.over if section else kernel.over(types, **params)
    if section and 0 in extents:
        return Recipe(root, axes, expr=Const(0, root.type.dtype))
    over, k = visited(extents, "k")
    outside = 0
    if wish and wish.long:
        read = sum(t.bytes for t in types) // max(prod(extents), 1)
        tile = evaluator.layouts.of(root.inputs[0]).tile
        loops, outside = in_pieces(row_major(extents).shape, max(PIECE // read, 1), tile)
        over, k = loops.axes("k"), with_ones(extents, loops.at("k"))
    elif wish:
        over = tuple(over[axis] for axis in significant(extents, wish.over))
    left, right = kernel.term(evaluator.b, at, k, *readers, types=types, **params)
    product = as_expr(evaluator.b.mul(left, right))
    spans = tuple(spans_of(wish.spans, at, k)) if wish else ()
    accum = Accum(f"sum{root.id}", "add", product)
    recipe = Recipe(root, axes, over, accum, outside=outside, spans=spans)
    if root.id in evaluator.layouts.parts:  # its rows are those of what it reads
        recipe.tile = evaluator.layouts.parts[root.id]
        recipe.rows = evaluator.layouts.of(base(root.inputs[0])).rows
        recipe.row = add_index(scale_index(at[0], recipe.tile), k[0])
    return recipe


def _reduction(root: Node, axes: tuple[Axis, ...], at: Indices, evaluator: Evaluator) -> Recipe:
    kernel, source = root.op.kernel, root.inputs[0]
    assert isinstance(kernel, Reduction)
    dims, shape = root.params["dim"], source.type.shape
    over, summed = visited(tuple(shape[d] for d in dims), "k")
    inner = iter(summed)
    outer = iter(at if not root.params["keepdim"] else
                 [i for d, i in enumerate(at) if d not in dims])  # fmt: skip
    index = [next(inner) if d in dims else next(outer) for d in range(len(shape))]
    value = as_expr(evaluator.value(source, index))
    if kernel.combine == "add" and value.dtype is not root.type.dtype:
        few = value.dtype is bool_ and over and prod(a.extent for a in over) <= _MOST_COUNTED
        value = as_expr(evaluator.b.cast(value, int32 if few else root.type.dtype))
    return Recipe(root, axes, over, Accum(f"{root.op.name}{root.id}", kernel.combine, value))


def _of_one(accum: Accum) -> Expr:
    """A reduction of a single element."""
    return Const(0, accum.dtype) if accum.combine == "argmax" else accum.expr


def result(recipe: Recipe) -> Expr:
    """Return what the loops of ``recipe`` store."""
    if recipe.accum is not None:
        return in_type_of(recipe.root, Acc(recipe.accum.name, recipe.accum.dtype))
    assert recipe.expr is not None
    return recipe.expr


def in_type_of(root: Node, found: Acc) -> Expr:
    """What is stored of a sum: truth values are counted in a narrow type."""
    dtype = root.type.dtype
    return found if found.dtype is dtype else Call("cast", (found,), dtype)
