"""Where the elements of a value lie in memory, and the order in which loops go through them.

    row-major        images n, c, h, w          as public tensors lie
    channels last    images n, h, w, c/16, c%16
    images last      images n/8, c, h, w, n%8
    panels           weights o/16, kh, kw, c, o%16

The loops over a value run in the order of its memory, so what stands last is in the vector
lanes. An axis may be cut into tiles: one loop over the tiles, one within a tile. Around the
elements there may be a border of zeros, so that a window which leaves an axis needs no test.

A layout knows the axes that are longer than 1 only; the others are nowhere.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache
from math import log, prod
from typing import TypeVar

from ...graph.kinds import Border, Order
from ...graph.types import Shape
from .ir import Axis, Index
from .vocabulary import LoopVocabulary, add_index, as_index, index_of, scale_index, total_index

T = TypeVar("T")
Indices = tuple[Index, ...]
Places = tuple[tuple[int, int, int], ...]  # first, step and count along each axis


@dataclass(frozen=True)
class Part:
    """``extent`` steps of so many elements along an axis: all of it, its tiles, or one tile."""

    axis: int
    step: int
    extent: int


@dataclass(frozen=True)
class Layout:
    """A layout.

    Attributes:
        shape: the lengths of the axes.
        parts: outermost first.
        border: zeros before and after each axis.
    """

    shape: Shape
    parts: tuple[Part, ...]
    border: tuple[Border, ...]

    @property
    def size(self) -> int:
        """Elements in memory, border included."""
        return prod(self._length(part) for part in self.parts)

    @property
    def bordered(self) -> bool:
        return any(b != (0, 0) for b in self.border)

    @cached_property
    def rows(self) -> Axis | None:
        """The outermost axis, all of it: what is computed may be shared out along it."""
        if not self.parts:
            return None
        axis = self.parts[0].axis
        return Axis(f"i{axis}", self.shape[axis])

    @property
    def tile(self) -> int:
        """Rows per step of the outermost loop."""
        return self.parts[0].step if self.parts else 1

    @property
    def in_rows(self) -> bool:
        """Whether the outermost axis has no border, so that memory can be cut into rows."""
        return bool(self.parts) and self.border[self.parts[0].axis] == (0, 0)

    def axes(self, letter: str = "i", places: Places = ()) -> tuple[Axis, ...]:
        """One loop per part, over these places of each axis; over all unless given."""
        return self._loops(letter, places)[0]

    def at(self, letter: str = "i", places: Places = ()) -> Indices:
        """The index of the element that the loops stand at."""
        return self._loops(letter, places)[1]

    def row(self, index: Sequence[Index]) -> Index | None:
        """Where an element stands along the outermost axis."""
        return index[self.parts[0].axis] if self.parts else None

    def position(self, index: Sequence[Index]) -> Index:
        """Where an element stands in memory."""
        places = [(self._place(part, index), stride) for part, stride in self._strides]
        start = sum(self.border[part.axis][0] * stride for part, stride in self._strides)
        return total_index(places, start)

    @cached_property
    def _strides(self) -> list[tuple[Part, int]]:
        """Elements from one step of a part to the next, innermost first."""
        found, stride = [], 1
        for part in reversed(_joined(self.parts)):
            found.append((part, stride))
            stride *= self._length(part)
        return found

    def _loops(self, letter: str, places: Places) -> tuple[tuple[Axis, ...], Indices]:
        """The loops, and the element they stand at."""
        found = self._known.get((letter, places))
        if found is None:
            axes = tuple([self._axis(part, letter, places) for part in self.parts])
            index = [Index()] * len(self.shape)
            for part, axis in zip(self.parts, axes, strict=True):
                first, step, _ = places[part.axis] if places else (0, 1, 0)
                moved = scale_index(index_of(axis), step * part.step)
                at = add_index(index[part.axis], moved)
                index[part.axis] = add_index(at, Index(constant=first))
            found = self._known[letter, places] = axes, tuple(index)
        return found

    @cached_property
    def _known(self) -> dict[tuple[str, Places], tuple[tuple[Axis, ...], Indices]]:
        return {}

    def _axis(self, part: Part, letter: str, places: Places) -> Axis:
        whole = part.extent == self.shape[part.axis]
        extent = places[part.axis][2] if places and whole else part.extent
        inside = sum(p.axis == part.axis and p.step < part.step for p in self.parts)
        return Axis(f"{letter}{part.axis}{'t' * inside}", extent)

    def _length(self, part: Part) -> int:
        return part.extent + sum(self.border[part.axis])

    def _place(self, part: Part, index: Sequence[Index]) -> Index:
        b, place = LoopVocabulary(), index[part.axis]
        if part.step > 1:
            return as_index(b.floordiv(place, Index(constant=part.step)))
        if part.extent < self.shape[part.axis]:
            return as_index(b.mod(place, Index(constant=part.extent)))
        return place


def _joined(parts: Sequence[Part]) -> list[Part]:
    """Tiles whose insides follow at once are no tiles in memory."""
    joined: list[Part] = []
    for part in parts:
        last = joined[-1] if joined else None
        if last and last.axis == part.axis and last.step == part.step * part.extent:
            joined[-1] = Part(part.axis, part.step, last.extent * part.extent)
        else:
            joined.append(part)
    return joined


def without_ones(shape: Shape, values: Sequence[T]) -> tuple[T, ...]:
    """The values of the axes longer than 1."""
    return tuple(v for n, v in zip(shape, values, strict=True) if n != 1)


def with_ones(shape: Shape, index: Sequence[Index]) -> Indices:
    """The index in a shape that also has axes of length 1."""
    rest = iter(index)
    return tuple(Index() if n == 1 else next(rest) for n in shape)


@lru_cache(maxsize=4096)
def row_major(shape: Shape) -> Layout:
    """Return the layout of public tensors."""
    lengths = tuple(n for n in shape if n != 1)
    parts = tuple(Part(k, 1, n) for k, n in enumerate(lengths))
    return Layout(lengths, parts, ((0, 0),) * len(lengths))


def significant(shape: Shape, order: Order) -> Order:
    """Return an order of the axes of ``shape`` as one of those longer than 1."""
    numbers = {axis: k for k, axis in enumerate(a for a, n in enumerate(shape) if n != 1)}
    return tuple(numbers[axis] for axis in order if axis in numbers)


def ordered(
    shape: Shape, order: Order, border: tuple[Border, ...], lanes: int, vectors: int = 2
) -> Layout:
    """Return the layout with the axes longer than 1 in this order.

    Args:
        order: the number of each axis; tiles first where one stands twice, if it has any.
        border: of each axis.
        lanes: elements of a vector.
        vectors: so many make a tile. Two share what is spread over lanes with several rows in
            registers.
    """
    lengths = tuple(n for n in shape if n != 1)
    parts: list[Part] = []
    for k, axis in enumerate(order):
        extent, again = lengths[axis], axis in order[k + 1 :]
        tile = _tile(extent, lanes, vectors)
        if again and tile < extent:
            parts.append(Part(axis, tile, extent // tile))
        elif not again:
            parts.append(Part(axis, 1, tile if axis in order[:k] else extent))
    found = Layout(lengths, tuple(parts), border)
    plain = row_major(lengths)
    return plain if tuple(_joined(parts)) == plain.parts and not found.bordered else found


def _tile(extent: int, lanes: int, vectors: int) -> int:
    """So many vectors; a short axis is one tile, and one that is no multiple of vectors too."""
    if extent % (vectors * lanes) == 0:
        return vectors * lanes
    if extent <= 6 * lanes:
        return extent
    return next((n * lanes for n in (3, 1) if extent % (n * lanes) == 0), extent)


def in_pieces(lengths: Shape, points: int, tile: int = 1) -> tuple[Layout, int]:
    """Return loops over ``lengths`` of which the innermost visit about so many points.

    The second result says how many of the loops stand outside of these pieces.

    Args:
        tile: so many points of the first axis stand together, innermost.

    >>> [axis.extent for axis in in_pieces((8, 56, 56), 448)[0].axes()]
    [8, 7, 8, 56]
    >>> [axis.extent for axis in in_pieces((16, 28, 28), 6272, tile=8)[0].axes()]
    [2, 28, 28, 8]
    """
    if tile > 1:
        tiles, outside = in_pieces((lengths[0] // tile, *lengths[1:]), points // tile)
        parts = [Part(p.axis, p.step * tile, p.extent) if p.axis == 0 else p for p in tiles.parts]
        return Layout(lengths, (*parts, Part(0, 1, tile)), ((0, 0),) * len(lengths)), outside
    border = ((0, 0),) * len(lengths)
    parts = [Part(k, 1, n) for k, n in enumerate(lengths)]
    inside = prod(lengths)
    for k, n in enumerate(lengths):
        inside //= n
        if inside < points:
            divisors = [d for d in range(1, n + 1) if n % d == 0]
            size = min(divisors, key=lambda d: abs(log(d * inside / points)))
            cut = [Part(k, size, n // size), Part(k, 1, size)] if 1 < size < n else [parts[k]]
            loops = (*parts[:k], *cut, *parts[k + 1 :])
            return Layout(lengths, loops, border), k + (size < n)
    return Layout(lengths, tuple(parts), border), len(parts)
