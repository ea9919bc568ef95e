"""The zeros around a value: loops that write them, before the value itself is written."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace

from .groups import Group
from .ir import Axis, Buffer, Const, Index, Nest, Store
from .layout import Layout
from .vocabulary import add_index, index_of


def clear(buffer: Buffer, layout: Layout, group: Group) -> Iterator[tuple[Axis | None, Nest]]:
    """Yield loops over the borders of an axis, and the rows to run them in: those of the group
    that computes the value, unless it is written outside of all rows, which one thread does.

    Of the axes before it only the inside is visited, of those behind it the borders as well, so
    that a corner is written once. Both sides are written at once where they are equally wide.
    """
    outermost = layout.parts[0].axis
    for axis, (before, after) in enumerate(layout.border):
        starts: dict[int, list[int]] = {}  # by how wide a side is
        for start, count in ((-before, before), (layout.shape[axis], after)):
            starts.setdefault(count, []).append(start)
        for count in filter(None, starts):
            own = axis != outermost and group.rows is not None
            sides = _sides(buffer, layout, axis, starts[count], count)
            yield (group.rows, replace(sides, tiles=group.tiles)) if own else (None, sides)


def _sides(buffer: Buffer, layout: Layout, side: int, starts: Sequence[int], count: int) -> Nest:
    """Loops over so many places of one axis from each of ``starts``, and all of the others."""
    index = list(layout.at())
    axes: list[Axis] = []
    for part, axis in zip(layout.parts, layout.axes(), strict=True):
        low, high = layout.border[part.axis]
        if part.axis == side:
            low, extent = 0, count
        elif (low or high) and part.axis > side:
            extent = low + part.extent + high
        else:
            axes.append(axis)
            continue
        axes.append(Axis(f"z{part.axis}", extent))
        index[part.axis] = add_index(index_of(axes[-1]), Index(constant=-low))
    inside = index[side]
    stores = []
    for start in starts:
        index[side] = add_index(inside, Index(constant=start))
        stores.append(Store(buffer, layout.position(index), Const(0, buffer.dtype)))
    return Nest(tuple(axes), tuple(stores), label="border")
