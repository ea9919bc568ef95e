"""The zeros around a value: loops that write them, before the value itself is written."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from .groups import Group
from .ir import Axis, Buffer, Const, Index, Nest, Store
from .layout import Layout
from .vocabulary import add_index, index_of


def clear(buffer: Buffer, layout: Layout, group: Group) -> Iterator[tuple[Axis | None, Nest]]:
    """Yield loops over every border of an axis, and the rows to run them in: those of the group
    that computes the value, unless it is written outside of all rows, which one thread does.

    Of the axes before it only the inside is visited, of those behind it the borders as well, so
    that a corner is written once.
    """
    outermost = layout.parts[0].axis
    for axis, (before, after) in enumerate(layout.border):
        for start, count in ((-before, before), (layout.shape[axis], after)):
            if count:
                own = axis != outermost and group.rows is not None
                side = _side(buffer, layout, axis, start, count)
                yield (group.rows, replace(side, tiles=group.tiles)) if own else (None, side)


def _side(buffer: Buffer, layout: Layout, side: int, start: int, count: int) -> Nest:
    """Loops over the places from ``start`` of one axis, and all places of the others."""
    index = list(layout.at())
    axes: list[Axis] = []
    for part, axis in zip(layout.parts, layout.axes(), strict=True):
        low, high = layout.border[part.axis]
        if part.axis == side:
            low, extent = -start, count
        elif (low or high) and part.axis > side:
            extent = low + part.extent + high
        else:
            axes.append(axis)
            continue
        axes.append(Axis(f"z{part.axis}", extent))
        index[part.axis] = add_index(index_of(axes[-1]), Index(constant=-low))
    store = Store(buffer, layout.position(index), Const(0, buffer.dtype))
    return Nest(tuple(axes), (store,), label="border")
