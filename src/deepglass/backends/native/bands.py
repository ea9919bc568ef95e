"""Triangles: what lies beyond a diagonal is neither computed nor summed, band by band.

    for i<128, j<32:  over k<128:  s += p[i,k] * v[k,j];  y[i,j] = s      p[i,k] = 0 where k > i
    -->
    for i<32, j<32:   over k<32:   s += p[i,k] * v[k,j];        y[i,j] = s
    for i<32, j<32:   over k<64:   s += p[i + 32,k] * v[k,j];   y[i + 32,j] = s
    for i<32, j<32:   over k<96:   ...

A value is known beyond a diagonal where its position chooses it, as in ``where(i >= k, p, 0)``.
Sums leave out terms that are 0, and maxima what is -inf; and where all who read a value leave out
what lies beyond the diagonal, it is not computed there. A factor that its position makes 0 takes
its term with it, even if the other factor is inf or NaN.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from math import inf

from . import ir
from .cookbook import number_of
from .groups import Group
from .layout import Layout, row_major
from .recipe import Read, Recipe
from .substitute import Substitution
from .vocabulary import add_index, as_index, scale_index

_MOST = 8  # bands of an axis: each takes code of its own
_NARROWEST = 32  # places of a band
_GRAIN = 16  # of which a band is a multiple, so that vectors fill it

_NEUTRAL = {"add": 0.0, "max": -inf}


@dataclass(frozen=True)
class Half:
    """The points of loops at which ``column <= row``."""

    row: ir.Axis
    column: ir.Axis


Known = dict[Half, float]  # what an expression is everywhere else
Reads = Mapping[tuple[int | None, ir.Index | None], Read]  # by number of the source, and position


@dataclass(frozen=True)
class _Corner:
    """What a stored value is where its index along ``column`` is above that along ``row``."""

    row: int
    column: int
    value: float


class Bands:
    """Finds the loops that can be cut.

    Args:
        groups: in an order in which each comes after those it reads.
        kept: ids of values that somebody wants whole.
        layout_of: how a root lies in memory, by its id.
    """

    def __init__(
        self, groups: Sequence[Group], kept: set[int], layout_of: Mapping[int, Layout]
    ) -> None:
        self.layout_of = layout_of
        self.corners: dict[int, list[_Corner]] = {}
        self.halves: dict[int, Half] = {}  # by number of the group
        sums: dict[int, Half] = {}
        self.readers: dict[int, list[tuple[Group, Read]]] = {}  # of a value, by its id
        for group in groups:
            for read in group.reads:
                self.readers.setdefault(read.source.id, []).append((group, read))
            found = self._of_sums(group)
            if found is not None:
                sums[group.number] = found
        for group in reversed(groups):
            half = sums.get(group.number) or self._of_readers(group, kept)
            if half is not None and _worth_cutting(group, half):
                self.halves[group.number] = half

    def of(self, group: Group) -> Half | None:
        """Return the half of a group's loops that is to be run, if not all of them."""
        return self.halves.get(group.number)

    # what is known of values

    def _of_sums(self, group: Group) -> Half | None:
        """The half in which all sums of a group have all of their terms."""
        halves: list[set[Half]] = []
        for member in group.members:
            reads = self._telling(member)
            if member.accum is not None:
                known = self._known(member.accum.expr, reads)
                neutral = _NEUTRAL.get(member.accum.combine)
                halves.append({half for half, value in known.items() if value == neutral})
            elif member.expr is not None and (known := self._known(member.expr, reads)):
                self._note(member, known)
        shared = set.intersection(*halves) if halves else set()
        axes = group.axes
        return next((h for h in shared if (h.row in axes) != (h.column in axes)), None)

    def _telling(self, member: Recipe) -> Reads:
        """The reads of values of which something is known."""
        reads = [r for r in member.reads if self.corners.get(r.source.id)]
        numbers = {node.id: k for k, node in enumerate(member.sources)} if reads else {}
        return {(numbers.get(r.source.id), _position(r)): r for r in reads}

    def _note(self, member: Recipe, known: Known) -> None:
        axes = self._plain_axes(member.root.id)
        self.corners[member.root.id] = [
            _Corner(axes.index(half.row), axes.index(half.column), value)
            for half, value in known.items()
            if half.row in axes and half.column in axes
        ]

    def _plain_axes(self, root: int) -> tuple[ir.Axis, ...]:
        """The loops over a value that lies row by row, one per axis."""
        layout = self.layout_of[root]
        return layout.axes("i") if layout == row_major(layout.shape) else ()

    def _known(self, e: ir.Expr, reads: Reads) -> Known:
        match e:
            case ir.Call("where", (condition, _, ir.Const(other))):
                half = _half(condition)
                return {half: float(other)} if half else {}
            case ir.Call("mul", (a, b)):
                known = {**self._known(a, reads), **self._known(b, reads)}
                return {half: value for half, value in known.items() if value == 0}
            case ir.Load(buffer, index, None):
                read = reads.get((number_of(buffer), index))
                return self._of_read(read) if read else {}
        return {}

    def _of_read(self, read: Read) -> Known:
        known = {}
        for corner in self.corners.get(read.source.id, ()):
            row, column = (_axis_at(read, k) for k in (corner.row, corner.column))
            if row is not None and column is not None:
                known[Half(row, column)] = corner.value
        return known

    # what is asked for

    def _of_readers(self, group: Group, kept: set[int]) -> Half | None:
        """The half of a group's values that others read, if they read no more."""
        roots = {m.root.id for m in group.members}
        if roots & kept:
            return None
        asked = {
            self._asked(read, reader)
            for root in roots
            for reader, read in self.readers.get(root, ())
            if reader is not group
        }
        return asked.pop() if len(asked) == 1 else None

    def _asked(self, read: Read, reader: Group) -> Half | None:
        """The half of a value, by its own loops, within which a reader stays."""
        half = self.halves.get(reader.number)
        if half is None or read.index is None:
            return None
        axes = self._plain_axes(read.source.id)
        at = {_axis_at(read, k): axis for k, axis in enumerate(axes)}
        row, column = at.get(half.row), at.get(half.column)
        return Half(row, column) if row is not None and column is not None else None


def _position(read: Read) -> ir.Index | None:
    return None if read.index is None else read.layout.position(read.index)


def _axis_at(read: Read, k: int) -> ir.Axis | None:
    """The loop that alone says where a value is read along an axis."""
    index = None if read.index is None else read.index[k]
    if index is None or index.constant or index.loaded or len(index.terms) != 1:
        return None
    axis, factor = index.terms[0]
    return axis if factor == 1 else None


def _half(condition: ir.Expr) -> Half | None:
    """The half outside of which a condition on two positions does not hold."""
    match condition:
        case ir.Call(("ge" | "gt"), (a, b)) if a.dtype.is_integer:
            ahead = _difference(a, b)
        case ir.Call(("le" | "lt"), (a, b)) if a.dtype.is_integer:
            ahead = _difference(b, a)
        case _:
            return None
    axes = {factor: axis for axis, factor in ahead.terms}
    if ahead.loaded or len(ahead.terms) != 2 or axes.keys() != {1, -1} or ahead.constant > 0:
        return None
    return Half(axes[1], axes[-1])


def _difference(a: ir.Expr, b: ir.Expr) -> ir.Index:
    return add_index(_affine(a), scale_index(_affine(b), -1))


def _affine(e: ir.Expr) -> ir.Index:
    match e:
        case ir.Call("sub", (a, b)):
            return _difference(a, b)
    return as_index(e)


def _worth_cutting(group: Group, half: Half) -> bool:
    """Whether there are several bands, along an axis that threads do not share out."""
    square = half.row.extent == half.column.extent
    several = band_width(half.row.extent) < half.row.extent
    return square and several and not group.alone and _cut(group, half) != group.rows


def band_width(extent: int) -> int:
    """Places of a band: the same whoever cuts an axis of this length."""
    return max(_NARROWEST, -(-extent // (_MOST * _GRAIN)) * _GRAIN)


def _cut(loops: Group | ir.Nest, half: Half) -> ir.Axis:
    """The axis to cut: not one that is summed over; and of products the columns, so that what is
    copied for them serves all of their rows."""
    both = half.row in loops.axes and half.column in loops.axes
    if both:
        return half.column if loops.over else half.row
    return half.row if half.row in loops.axes else half.column


def in_bands(nest: ir.Nest, half: Half, summed: bool = False) -> Iterator[ir.Nest]:
    """Yield the nests that take the place of ``nest``, of which only a half is to be run.

    Args:
        summed: cut the axis that is summed over, so that each nest has a part of the sums.
    """
    cut = _cut(nest, half)
    other = half.column if cut == half.row else half.row
    if summed:
        cut, other = other, cut
    width = band_width(cut.extent)
    for start in range(0, cut.extent, width):
        stop = min(start + width, cut.extent)
        first, last = (0, stop) if cut == half.row else (start, other.extent)
        band, seen = ir.Axis(cut.name, stop - start), ir.Axis(other.name, last - first)
        new = {cut: band, other: seen}
        at = {cut: ir.Index(((band, 1),), start), other: ir.Index(((seen, 1),), first)}
        moved = Substitution(at)
        yield replace(
            nest,
            axes=tuple(new.get(a, a) for a in nest.axes),
            over=tuple(new.get(a, a) for a in nest.over),
            stores=tuple(map(moved.store, nest.stores)),
            accums=tuple(map(moved.accum, nest.accums)),
        )
