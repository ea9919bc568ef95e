"""The zeros around a value: loops that write them, before the value itself is written."""

from __future__ import annotations

from collections.abc import Iterator

from .ir import Axis, Buffer, Const, Index, Nest, Store
from .layout import Layout
from .vocabulary import add_index, index_of


def clear(buffer: Buffer, layout: Layout, rows: Axis | None) -> Iterator[tuple[Axis | None, Nest]]:
    """Yield loops over every border of an axis, and the rows to run them in.

    Of the axes before it only the inside is visited, of those behind it the borders as well, so
    that a corner is written once. Loops that write outside of all rows run on one thread.
    """
    outermost = layout.parts[0].axis
    for axis, (before, after) in enumerate(layout.border):
        for start, count in ((-before, before), (layout.shape[axis], after)):
            if count:
                own = axis != outermost
                shared = rows if own else None
                yield shared, _side(buffer, layout, axis, start, count, shared)


def _side(
    buffer: Buffer, layout: Layout, side: int, start: int, count: int, rows: Axis | None
) -> Nest:
    """Loops over the places from ``start`` of one axis, and all places of the others."""
    index = list(layout.at())
    axes: list[Axis] = []
    for part, axis in zip(layout.parts, layout.axes(), strict=True):
        low, high = layout.border[part.axis]
        if part.axis == side:
            low, extent = -start, count
        elif (low or high) and part.axis > side and axis != rows:
            extent = low + part.extent + high
        else:
            axes.append(axis)
            continue
        axes.append(Axis(f"z{part.axis}", extent))
        index[part.axis] = add_index(index_of(axes[-1]), Index(constant=-low))
    store = Store(buffer, layout.position(index), Const(0, buffer.dtype))
    return Nest(tuple(axes), (store,), label="border")
