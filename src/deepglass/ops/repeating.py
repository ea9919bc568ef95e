"""The same elements again and again; all of it reshape and broadcast."""

from __future__ import annotations

from typing import Any

from ..errors import ShapeError
from ..graph.tensor import Tensor, as_tensor
from .movement import axis_of, broadcast_to, broadcast_together, reshape, shape_of


def tile(x: Any, *dims: Any) -> Tensor:
    """Return ``x`` laid side by side, ``dims`` times along each axis.

    Args:
        x: any tensor.
        dims: copies along each axis, last axis last; 1 for axes that are not named.

    >>> tile(Tensor([1, 2]), 2, 2)
    tensor([[1, 2, 1, 2],
            [1, 2, 1, 2]])
    """
    x, copies = as_tensor(x), shape_of(dims)
    if any(n < 0 for n in copies):
        raise ShapeError(f"tile: copies are counted from 0; got {copies}.")
    count = max(x.ndim, len(copies))
    shape = (1,) * (count - x.ndim) + x.shape
    copies = (1,) * (count - len(copies)) + copies
    apart = [n for length in shape for n in (1, length)]
    wide = [n for pair in zip(copies, shape, strict=True) for n in pair]
    whole = [c * n for c, n in zip(copies, shape, strict=True)]
    return reshape(broadcast_to(reshape(x, apart), wide), whole)


def repeat(x: Any, *repeats: Any) -> Tensor:
    """Return ``x`` laid side by side, ``repeats`` times along each axis, and along new ones.

    Raises:
        ShapeError: there are fewer numbers than axes (`tile` allows that).

    >>> repeat(Tensor([1, 2]), 2, 1)
    tensor([[1, 2],
            [1, 2]])
    """
    x, copies = as_tensor(x), shape_of(repeats)
    if len(copies) < x.ndim:
        raise ShapeError(
            f"repeat: at least one number per axis; got {copies} for {x.type}. Use tile."
        )
    return tile(x, copies)


def repeat_interleave(x: Any, repeats: int, dim: int | None = None) -> Tensor:
    """Return ``x`` with every element along axis ``dim`` ``repeats`` times in a row.

    Args:
        x: any tensor.
        repeats: how many times.
        dim: the axis; without it the flattened tensor is repeated.

    >>> repeat_interleave(Tensor([1, 2]), 2)
    tensor([1, 1, 2, 2])
    """
    x = as_tensor(x)
    if dim is None:
        return repeat_interleave(reshape(x, -1), repeats, 0)
    if repeats < 0:
        raise ShapeError(f"repeat_interleave: repeats are counted from 0; got {repeats}.")
    axis = axis_of("repeat_interleave", dim, x.ndim)
    before, n, after = x.shape[:axis], x.shape[axis], x.shape[axis + 1 :]
    wide = broadcast_to(reshape(x, *before, n, 1, *after), *before, n, repeats, *after)
    return reshape(wide, *before, n * repeats, *after)


def meshgrid(*tensors: Any, indexing: str = "ij") -> tuple[Tensor, ...]:
    """Return the coordinates of all points of a grid: one tensor per axis.

    Args:
        tensors: the positions along each axis, in one dimension.
        indexing: "ij", the first tensor runs down the rows; "xy", along the columns.

    >>> meshgrid(Tensor([1, 2]), Tensor([3, 4, 5]))[1]
    tensor([[3, 4, 5],
            [3, 4, 5]])
    """
    given = tensors[0] if len(tensors) == 1 and isinstance(tensors[0], (list, tuple)) else tensors
    axes = [as_tensor(x) for x in given]
    if indexing not in ("ij", "xy"):
        raise ValueError(f"meshgrid: indexing is 'ij' or 'xy'; got {indexing!r}.")
    for x in axes:
        if x.ndim > 1:
            raise ShapeError(f"meshgrid: positions have one axis; got {x.type}.")
    places = list(range(len(axes)))
    if indexing == "xy":
        places[:2] = places[1::-1]
    shaped = []
    for x, place in zip(axes, places, strict=True):
        shaped.append(reshape(x, [x.numel() if d == place else 1 for d in range(len(axes))]))
    return tuple(broadcast_together("meshgrid", *shaped))
