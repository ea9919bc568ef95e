"""What ``x[key]`` and ``x[key] = value`` mean."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..graph.tensor import Tensor, apply, as_tensor
from ..graph.types import Shape
from .elementwise import to, where
from .movement import broadcast_to, reshape
from .slicing import PAD, SLICE, Range, widths_around


def getitem(x: Any, key: Any) -> Tensor:
    """Return ``x[key]`` for integers, slices with positive steps, None and ``...``.

    A slice is a value of its own: writing into it does not change ``x``; write
    ``x[key] = value`` instead.

    Raises:
        IndexError: an integer is out of range, or there are more keys than axes.

    >>> getitem(Tensor([[1, 2], [3, 4]]), (0, slice(1, None)))
    tensor([2])
    """
    x = as_tensor(x)
    ranges, shape = index_ranges(x.shape, key)
    part = reshape(apply(SLICE, x, ranges=ranges), shape)
    part.is_slice = True
    return part


def index_ranges(shape: Shape, key: Any) -> tuple[tuple[Range, ...], Shape]:
    """Return one range per axis of ``shape`` and the shape that ``x[key]`` has."""
    keys = list(key) if isinstance(key, tuple) else [key]
    named = sum(k is not None and k is not Ellipsis for k in keys)
    if named > len(shape):
        raise IndexError(f"index: at most one key per axis; got {named} for shape {shape}.")
    if not any(k is Ellipsis for k in keys):
        keys.append(Ellipsis)
    at = next(n for n, k in enumerate(keys) if k is Ellipsis)
    keys[at : at + 1] = [slice(None)] * (len(shape) - named)
    ranges: list[Range] = []
    result: list[int] = []
    for k in keys:
        if k is None:
            result.append(1)
            continue
        n = shape[len(ranges)]
        if isinstance(k, slice):
            start, stop, step = k.indices(n)
            if step < 1:
                raise IndexError(f"index: steps are positive; got {k}.")
            ranges.append((start, max(start, stop), step))
            result.append(len(range(start, stop, step)))
        elif isinstance(k, (int, np.integer)) and not isinstance(k, bool):
            if not -n <= k < n:
                raise IndexError(f"index: {k} is outside axis {len(ranges)} of length {n}.")
            ranges.append((int(k) % n, int(k) % n + 1, 1))
        else:
            raise IndexError(
                f"index: integers, slices, None and ... are understood; got {k!r}. Use dg.gather "
                "to pick elements by a tensor of positions."
            )
    return tuple(ranges), tuple(result)


def setitem(x: Tensor, key: Any, value: Any) -> None:
    """Give the elements ``x[key]`` other values; no other tensor changes."""
    owned(x)
    ranges, shape = index_ranges(x.shape, key)
    region = tuple(len(range(*r)) for r in ranges)
    widths = widths_around(x.shape, ranges)
    part = reshape(broadcast_to(to(as_tensor(value), x.dtype), shape), region)
    written = apply(PAD, broadcast_to(Tensor(True), region), widths=widths, value=False)
    x.rebind(where(written, apply(PAD, part, widths=widths, value=0), x).node)


def owned(x: Tensor) -> Tensor:
    """Return ``x`` unless it is a slice, which would be written to in vain.

    Raises:
        TypeError: it is a slice.
    """
    if x.is_slice:
        raise TypeError(
            f"assignment: a slice is a value of its own, not a window; this one, {x.type}, was "
            "cut from another tensor that would not change. Write base[i] = ... instead."
        )
    return x
